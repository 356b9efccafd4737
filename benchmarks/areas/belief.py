"""belief: Bayes filters, particles and learned models beside hmmlearn, SciPy, filterpy, JAX."""

from __future__ import annotations

from functools import partial

from areas.belief_peers import continuous, discrete, models, particle, sparse
from harness import Case


def cases() -> list[Case]:
    sizes = [("1e3", 1000), ("1e4", 10_000), ("1e5", 100_000), ("1e6", 1_000_000)]
    return [
        *(Case(f"belief/step/s{s}", partial(discrete.step, states=s)) for s in (8, 16)),
        Case("belief/python_call/s8", partial(discrete.python_call, states=8)),
        *(Case(f"belief/dense/s{s}", partial(discrete.dense, states=s)) for s in (1000, 4000)),
        Case("belief/sparse/grid1e4", partial(sparse.grid, side=100)),
        Case("belief/sparse/grid1e5", partial(sparse.grid, side=316)),
        Case("belief/sparse/grid1e6", partial(sparse.grid, side=1000), "ms", samples=51),
        Case("belief/sparse/rocksample_7_8", sparse.rocksample),
        *(Case(f"belief/particle/{t}", partial(particle.step, n=n)) for t, n in sizes),
        *(Case(f"belief/resample/{t}", partial(particle.resampling, n=n)) for t, n in sizes),
        *(Case(f"belief/imm/d{d}", partial(continuous.imm, d=d)) for d in (4, 6)),
        Case("belief/dirichlet_sample/1e5", models.dirichlet_sample),
        Case("belief/value_iteration/100x10", models.value_iteration),
        *(
            Case(f"belief/batch/1e4x{s}", partial(discrete.batch, beliefs=10_000, states=s), "ms")
            for s in (16, 64)
        ),
        *(Case(f"belief/blr/d{d}", partial(models.regression, d=d)) for d in (20, 64, 200)),
    ]
