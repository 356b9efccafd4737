"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[2]
# Programs of this interpreter's environment are found also where it was not activated.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
)

# The same examples in every run, so that a failure is always of the change under test. To search
# for new ones: pytest --hypothesis-profile=explore --hypothesis-seed=N
settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=1000)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the shared recordings and problems, which no clone has: the test skips without it.

    Where the folder is, all of its files must be there.
    """
    root = Path(os.environ.get("OPTCORE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"the recordings are not part of the repository: none at {root} (OPTCORE_DATA)")
    return root


@pytest.fixture(scope="session")
def cxx() -> str:
    """A C++ compiler, which an installed wheel need not have beside it."""
    found = shutil.which("c++")
    if found is None:
        pytest.skip("exported C++ cannot be tried without a compiler (apt-get install g++)")
    return found


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A folder that every user may enter, where pytest's own are the caller's alone."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def unprivileged() -> Callable[[], AbstractContextManager[None]]:
    """A context whose file accesses are those of an ordinary user, also under root."""

    @contextmanager
    def ordinary_user() -> Iterator[None]:
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    return ordinary_user
