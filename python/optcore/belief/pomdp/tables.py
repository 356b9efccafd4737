"""What a POMDP consists of, as plain sparse tables; what every reader of a file produces.

Shapes   S = states, A = actions, Z = observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["MAX_ENTRIES", "MAX_PAIRS", "PomdpTables"]

MAX_ENTRIES = 50_000_000
"""Non-zero numbers a model may hold in all: a file of a few lines can ask for more than memory."""
MAX_PAIRS = 4_000_000
"""State-action pairs a model may have."""


@dataclass(frozen=True)
class PomdpTables:
    """Transition, observation and reward of a finite POMDP.

    Attributes:
        transitions: A matrices (S, S); [a][s, t] = p(next t | state s, action a), rows sum to 1.
        observations: A matrices (S, Z); [a][t, z] = p(observation z | action a led to t).
        rewards: (S, A) expected reward of action a in state s, R(s, a).
        discount: gamma in (0, 1).
        start: (S,) belief before the first action.
        states, actions, observation_names: names, in the order of the indices.
    """

    transitions: list[csr_array]
    observations: list[csr_array]
    rewards: NDArray[np.float64]
    discount: float
    start: NDArray[np.float64]
    states: Sequence[str]
    actions: Sequence[str]
    observation_names: Sequence[str]
