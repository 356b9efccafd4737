"""One thread for everybody, set before NumPy is imported: the standard library alone."""

from __future__ import annotations

import os
import sys

# Every pool that a peer may start. NPROC sizes XLA's, RAYON_NUM_THREADS Clarabel's.
_POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "NPROC",
)

# Settings that would have OpenBLAS run kernels for another processor than this one. They go
# together: either alone leaves it with block sizes that do not fit its kernels.
_SLOWED_BLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def pin(count: int = 1) -> None:
    """Size every known pool. Call before the first import of NumPy."""
    if "numpy" in sys.modules:
        raise RuntimeError("one_thread.pin() must run before numpy is imported")
    for name in _POOLS:
        os.environ[name] = str(count)
    for name in _SLOWED_BLAS:  # a peer runs as fast as it can on this processor
        os.environ.pop(name, None)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("JAX_ENABLE_X64", "1")  # everybody answers in float64
    os.environ["XLA_FLAGS"] = " ".join(
        filter(None, [os.environ.get("XLA_FLAGS"), "--xla_cpu_multi_thread_eigen=false"])
    )
