"""The control loop of a robot among people, and the model of how people move."""

from __future__ import annotations

from optcore.loop.config import LoopConfig
from optcore.loop.control_loop import (
    ControlLoop,
    CrowdBelief,
    StepResult,
    fallback_names,
    side_names,
)
from optcore.loop.forecaster import Forecaster
from optcore.loop.learning import find_goals, learn_motion_model
from optcore.loop.motion_model import MotionModel

__all__ = [
    "ControlLoop",
    "CrowdBelief",
    "Forecaster",
    "LoopConfig",
    "MotionModel",
    "StepResult",
    "fallback_names",
    "find_goals",
    "learn_motion_model",
    "side_names",
]
