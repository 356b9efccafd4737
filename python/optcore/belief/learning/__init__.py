"""Learning by acting: posteriors over Markov decision processes and over values."""

from __future__ import annotations

from optcore.belief.learning.bamcp import BAMCP
from optcore.belief.learning.bayesian_q import BayesianQ
from optcore.belief.learning.dirichlet_mdp import DirichletMDP
from optcore.belief.learning.gymnasium_agent import GymnasiumAgent, Training
from optcore.belief.learning.psrl import PSRL

__all__ = ["BAMCP", "PSRL", "BayesianQ", "DirichletMDP", "GymnasiumAgent", "Training"]
