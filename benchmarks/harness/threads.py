"""One thread for everybody: held for libraries loaded late, and checked (see one_thread.py)."""

from __future__ import annotations

import os
import sys


def limit(count: int = 1) -> None:
    """Hold the pools of libraries that a case's set-up has loaded since."""
    try:
        import threadpoolctl

        threadpoolctl.threadpool_limits(count)
    except ImportError:
        pass  # the environment variables have done it for all but hand-set pools
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(count)


def largest_pool() -> int:
    """The most threads that any loaded BLAS or OpenMP pool would use."""
    try:
        import threadpoolctl
    except ImportError:
        return int(os.environ.get("OMP_NUM_THREADS", "0"))
    return max((int(pool["num_threads"]) for pool in threadpoolctl.threadpool_info()), default=1)
