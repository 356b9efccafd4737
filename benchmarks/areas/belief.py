"""belief: Bayes filters, particles and learned models beside hmmlearn, SciPy, filterpy, JAX."""

from __future__ import annotations

from functools import partial

from areas.belief_peers import models, sparse
from harness import Case


def cases() -> list[Case]:
    return [
        Case("belief/sparse/grid1e4", partial(sparse.grid, side=100)),
        Case("belief/sparse/grid1e5", partial(sparse.grid, side=316)),
        Case("belief/sparse/grid1e6", partial(sparse.grid, side=1000), "ms", samples=51),
        Case("belief/sparse/rocksample_7_8", sparse.rocksample),
        Case("belief/dirichlet_sample/1e5", models.dirichlet_sample),
        Case("belief/value_iteration/100x10", models.value_iteration),
        *(Case(f"belief/blr/d{d}", partial(models.regression, d=d)) for d in (20, 64, 200)),
    ]
