"""The caching examples of the manual, as written there, with optcore as the package."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_basic_usage_and_diagnosis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # the default folder is "cache" in the working directory
    result = 4

    def compute_predictions() -> int:
        return result

    from optcore.caching_system import CacheSystem

    cache_system = CacheSystem()

    # Automatic function caching
    @cache_system.cached(ttl=3600)
    def expensive_computation(data: int) -> int:
        # Expensive operation
        return result

    # Manual caching
    cache_key = "model_predictions_v1"
    if not cache_system.get(cache_key)[1]:  # Cache miss
        predictions = compute_predictions()
        cache_system.put(cache_key, predictions)

    assert expensive_computation(1) == expensive_computation(1) == 4
    assert cache_system.get(cache_key) == (4, True)

    stats = cache_system.get_statistics()
    print(f"Hit rate: {stats['global']['hit_rate']:.2%}")
    print(f"Memory cache size: {stats['memory']['keys']} keys")
    print(f"Disk cache size: {stats['disk']['keys']} keys")
    out = capsys.readouterr().out
    assert "Hit rate: 50.00%" in out
    assert "Memory cache size: 2 keys" in out
    assert "Disk cache size: 2 keys" in out
    cache_system.close()


def test_larger_limits_and_the_shared_cache_on_a_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    from optcore.caching_system import CacheConfig, CacheSystem, cache

    config = CacheConfig(
        max_memory_mb=2000,  # Increase memory cache
        max_disk_mb=10000,   # Increase disk cache
        default_ttl_seconds=7200  # Longer TTL
    )  # fmt: skip
    assert CacheSystem(config).config.default_ttl_seconds == 7200

    class OptimizedInferenceSystem:
        @cache.cached(ttl=1800)  # 30 minute cache
        def inference_pipeline(self, observation: float, robot_state: float) -> dict[str, float]:
            """Optimized inference pipeline."""
            return {"prediction": observation + robot_state}

    system = OptimizedInferenceSystem()
    assert system.inference_pipeline(1.0, 2.0) == {"prediction": 3.0}
    assert system.inference_pipeline(1.0, 2.0) == {"prediction": 3.0}
    assert OptimizedInferenceSystem.inference_pipeline.cache_info()["hits"] == 1
    cache.close()
    assert CacheConfig.from_dict(
        {"enable_distributed_cache": True, "cache_size_mb": 5000}
    ).enable_distributed
