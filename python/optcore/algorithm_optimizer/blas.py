"""BLAS threads kept out of small products."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

__all__ = ["one_blas_thread"]


def one_blas_thread() -> AbstractContextManager[Any]:
    """While it lasts, NumPy's and SciPy's BLAS run on one thread.

    Products of a few hundred rows are handed to threads that wait for each other longer than they
    compute, ten times as long on a machine that others use as well. It concerns the whole process.
    Without threadpoolctl (``pip install 'optcore[optimize]'``) nothing is changed.
    """
    controller = _controller()
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")


@cache
def _controller() -> Any:
    """Looking for the libraries takes milliseconds: once."""
    import scipy.linalg  # noqa: F401  (its BLAS is another than NumPy's)

    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()
