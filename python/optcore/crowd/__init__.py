"""Recorded and simulated people, and what a tracker on the robot would see of them."""

from __future__ import annotations

from optcore.crowd.crossing import Crossing, suggest_crossing
from optcore.crowd.frame import CrowdFrame
from optcore.crowd.future import TrueFuture
from optcore.crowd.goals import read_goals
from optcore.crowd.reader import read_scene
from optcore.crowd.scene import Scene, Track
from optcore.crowd.simulator import CrowdSimulator, simulate_recording
from optcore.crowd.social_force import SocialForce
from optcore.crowd.split import SceneSplit, split_by_time
from optcore.crowd.square import Square
from optcore.crowd.stream import CrowdStream

__all__ = [
    "Crossing",
    "CrowdFrame",
    "CrowdSimulator",
    "CrowdStream",
    "Scene",
    "SceneSplit",
    "SocialForce",
    "Square",
    "Track",
    "TrueFuture",
    "read_goals",
    "read_scene",
    "simulate_recording",
    "split_by_time",
    "suggest_crossing",
]
