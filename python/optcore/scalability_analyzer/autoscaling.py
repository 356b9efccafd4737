"""An auto-scaling recommendation: as a dictionary, and as a Kubernetes manifest."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optcore.errors import ConfigError
from optcore.scalability_analyzer.config import ScalabilityConfig
from optcore.scalability_analyzer.resources import LimitingResource
from optcore.scalability_analyzer.sizing import Sizing

__all__ = ["ScalingAdvice", "advise"]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class ScalingAdvice:
    """How many replicas now, and by what measure to change their number."""

    replicas: int
    min_replicas: int
    max_replicas: int
    metric: str
    """cpu (percent of what a replica requests) or requests (per second and replica)"""
    target: float
    """of the metric"""
    cpu_request: float | None
    """processors of a replica; None where it is behind a URL and cannot be seen"""
    memory_request_mb: float | None
    limited: bool
    """the target needs more than `max_replicas`, or cannot be met"""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps({"format": "optcore-scaling", "version": 1, **self.to_dict()}, indent=1)

    def manifest(self, deployment: str, namespace: str = "default") -> dict[str, Any]:
        """A HorizontalPodAutoscaler (autoscaling/v2) for a Deployment.

        Raises:
            ConfigError: a name that Kubernetes would refuse.
        """
        for label, name in (("deployment", deployment), ("namespace", namespace)):
            if not _LABEL.fullmatch(name):
                raise ConfigError(f"{label}: need a DNS label (a-z, 0-9, -), got {name!r}")
        if self.metric == "cpu":
            metric: dict[str, Any] = {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": round(self.target)},
                },
            }
        else:
            metric = {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "http_requests_per_second"},
                    "target": {"type": "AverageValue", "averageValue": _quantity(self.target)},
                },
            }
        return {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": deployment, "namespace": namespace},
            "spec": {
                "scaleTargetRef": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": deployment,
                },
                "minReplicas": self.min_replicas,
                "maxReplicas": self.max_replicas,
                "metrics": [metric],
                "behavior": {
                    "scaleUp": {"stabilizationWindowSeconds": 0},
                    "scaleDown": {"stabilizationWindowSeconds": 300},
                },
            },
        }

    def to_yaml(self, deployment: str, namespace: str = "default") -> str:
        """The manifest as ``kubectl apply -f`` takes it."""
        comment = "".join(f"# {line}\n" for line in self.reason.splitlines())
        return comment + "\n".join(_yaml(self.manifest(deployment, namespace), 0)) + "\n"


def advise(
    sizing: Sizing, limit: LimitingResource | None, config: ScalabilityConfig
) -> ScalingAdvice:
    """Replicas within min_replicas..max_replicas; by CPU where the processor is what limits."""
    wanted = sizing.replicas if sizing.replicas is not None else config.max_replicas
    replicas = min(max(wanted, config.min_replicas), config.max_replicas)
    limited = sizing.replicas is None or sizing.replicas > config.max_replicas
    cpus, memory = sizing.replica_cpus, sizing.replica_memory_gb
    by_cpu = limit is not None and limit.kind == "cpu" and cpus is not None
    each = sizing.replica_throughput
    if each is None:
        by_cpu = True
    target = config.cpu_threshold if by_cpu else config.target_throughput / max(wanted, 1)
    kind = limit.kind if limit is not None else "unknown"
    reason = f"{sizing.model}; limiting resource: {kind}"
    if limited:
        reason += f"; needs more than max_replicas = {config.max_replicas}, or cannot be met"
    return ScalingAdvice(
        replicas=replicas,
        min_replicas=config.min_replicas,
        max_replicas=config.max_replicas,
        metric="cpu" if by_cpu else "requests",
        target=target,
        cpu_request=None if cpus is None else max(0.05, math.ceil(20 * cpus) / 20),
        memory_request_mb=None if memory is None else math.ceil(1.25 * 1024 * memory),
        limited=limited,
        reason=reason,
    )


def _quantity(value: float) -> str:
    """Kubernetes' notation: whole, or in thousandths."""
    return str(round(value)) if value >= 10 else f"{max(round(1000 * value), 1)}m"


def _yaml(value: Any, depth: int) -> Iterator[str]:
    """Mappings, lists and scalars as block YAML; strings are quoted as in JSON."""
    pad = "  " * depth
    items = value.items() if isinstance(value, Mapping) else ((None, v) for v in value)
    for key, entry in items:
        label = f"{pad}- " if key is None else f"{pad}{key}:"
        if isinstance(entry, Mapping | list):
            lines = list(_yaml(entry, depth + 1))
            if key is None:  # the first line of a list's entry stands beside its dash
                yield label + lines[0].lstrip()
                yield from lines[1:]
            else:
                yield label
                yield from lines
        else:
            yield f"{label}{'' if key is None else ' '}{json.dumps(entry)}"
