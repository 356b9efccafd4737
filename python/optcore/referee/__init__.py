"""A referee: closed-loop crossings among recorded people that tell what a forecast is worth."""

from optcore.referee.evaluation import evaluate_scenes, referee_config

__all__ = ["evaluate_scenes", "referee_config"]
