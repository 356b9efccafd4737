"""Model-based reinforcement learning from real interaction.

Gaussian processes learn how an environment moves, one model is drawn from that belief, and model
predictive control plans through it; see Learner, and `optcore learn`.
"""

from __future__ import annotations

from optcore.learn.coordinates import Coordinates, find_angles
from optcore.learn.dynamics import Dynamics, GPDynamics, SampledDynamics
from optcore.learn.learner import Learner, LearnerConfig
from optcore.learn.limits import StateLimits
from optcore.learn.planner import Plan, Planner, PlannerConfig, Quadratic
from optcore.learn.record import Episode, Record
from optcore.learn.tasks import Task, make_environment, task
from optcore.learn.training import Trainer, Verdict
from optcore.learn.value import Grid, GridValue

__all__ = [
    "Coordinates",
    "Dynamics",
    "Episode",
    "GPDynamics",
    "Grid",
    "GridValue",
    "Learner",
    "LearnerConfig",
    "Plan",
    "Planner",
    "PlannerConfig",
    "Quadratic",
    "Record",
    "SampledDynamics",
    "StateLimits",
    "Task",
    "Trainer",
    "Verdict",
    "find_angles",
    "make_environment",
    "task",
]
