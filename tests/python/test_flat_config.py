"""Flat settings of an application become configurations."""

from __future__ import annotations

import pytest

from optcore.caching_system import CacheConfig
from optcore.config import from_dict
from optcore.errors import ConfigError


def test_keys_of_the_manual_and_fields_of_the_cache() -> None:
    found = from_dict({"enable_profiling": True, "cache_size_mb": 5, "max_disk_mb": 7})
    assert (found.enable_profiling, found.enable_caching) == (True, True)
    assert found.cache == CacheConfig(max_memory_mb=5, max_disk_mb=7)
    assert from_dict({}).cache == CacheConfig()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"enable_profilin": True}, "did you mean"),
        ({"cache_size_mb": -1}, "max_memory_mb"),
        ({"cache_size_mb": 1, "max_memory_mb": 1}, "given twice"),
        ({"enable_caching": 1}, "enable_caching must be True or False"),
        ({1: 2}, "mapping of names"),
        (None, "mapping of names"),
    ],
)
def test_wrong_keys_and_values_are_named(values: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        from_dict(values)
