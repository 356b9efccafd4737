"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[2]

# The same examples in every run, so that a failure is always of the change under test. To search
# for new ones: pytest --hypothesis-profile=explore --hypothesis-seed=N
settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=1000)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the shared recordings and problems; the test skips where it is absent."""
    root = Path(os.environ.get("OPTCORE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no test data at {root} (set OPTCORE_DATA)")
    return root
