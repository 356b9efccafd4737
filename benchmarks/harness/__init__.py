"""The comparison harness: the same inputs, in turns, answers checked before anything is timed.

An area module (benchmarks/areas/<area>.py) needs only the names below and offers `cases()`.
"""

from __future__ import annotations

from harness.agreement import Disagreement, agree
from harness.case import Absent, Case, Probe, Trial
from harness.memory import peak_bytes
from harness.native import google_benchmark, instructions

__all__ = [
    "Absent",
    "Case",
    "Disagreement",
    "Probe",
    "Trial",
    "agree",
    "google_benchmark",
    "instructions",
    "peak_bytes",
]
