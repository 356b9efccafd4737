"""belief: Bayes filters, particles and learned models beside hmmlearn, SciPy, filterpy, JAX."""

from __future__ import annotations

from functools import partial

from areas.belief_peers import sparse
from harness import Case


def cases() -> list[Case]:
    return [
        Case("belief/sparse/grid1e4", partial(sparse.grid, side=100)),
        Case("belief/sparse/grid1e5", partial(sparse.grid, side=316)),
        Case("belief/sparse/grid1e6", partial(sparse.grid, side=1000), "ms", samples=51),
        Case("belief/sparse/rocksample_7_8", sparse.rocksample),
    ]
