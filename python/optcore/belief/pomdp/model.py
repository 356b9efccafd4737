"""A finite POMDP in sparse tables, and its belief update.

Shapes   S = states, A = actions, Z = observations.
Source   Kaelbling, Littman & Cassandra, Artificial Intelligence 101 (1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.belief.pomdp.row_table import SUM_TOLERANCE
from optcore.belief.pomdp.tables import PomdpTables
from optcore.errors import ConfigError, ShapeError

__all__ = ["BeliefUpdate", "SparsePOMDP"]


_NATIVE_LIMIT = 1 << 28  # bytes of dense observation tables that the native kernel may hold


class BeliefUpdate(NamedTuple):
    """Outcome of an update; a status below 0 leaves `belief` the prior that came in."""

    belief: NDArray[np.float64]  #: (S,) posterior
    log_evidence: float  #: log p(observation | belief, action), nats; -inf when it fails
    status: _native.Status  #: ok, zero_evidence or not_finite


class SparsePOMDP:
    """States, actions, observations and rewards of a decision problem under partial observation.

    Example:
        >>> model = SparsePOMDP.from_csr([[[1, 0], [0, 1]]], [[[0.85, 0.15], [0.15, 0.85]]],
        ...                              rewards=[[-1], [-1]], discount=0.95)
        >>> model.update_belief([0.5, 0.5], 0, 1).belief
        array([0.15, 0.85])
    """

    def __init__(self, tables: PomdpTables) -> None:
        self.tables = tables
        self._native: _native.belief.SparseTables | None = None

    @classmethod
    def from_pomdp(cls, file: str | Path) -> SparsePOMDP:
        """Read a file: Cassandra's format, or PomdpX when the name ends in .pomdpx.

        Raises:
            ModelFileError: the file is unreadable or no valid model; names file and line.
        """
        from optcore.belief.pomdp.cassandra import read_pomdp
        from optcore.belief.pomdp.pomdpx import read_pomdpx

        read = read_pomdpx if str(file).lower().endswith(".pomdpx") else read_pomdp
        return cls(read(file))

    @classmethod
    def from_csr(
        cls,
        transitions: Sequence[Any],
        observations: Sequence[Any],
        rewards: ArrayLike,
        *,
        discount: float,
        start: ArrayLike | None = None,
    ) -> SparsePOMDP:
        """From matrices that SciPy can read as CSR.

        Args:
            transitions: A of (S, S), [a][s, t] = p(t | s, a).
            observations: A of (S, Z), [a][t, z] = p(z | a led to t).
            rewards: (S, A) expected reward.
            discount: in [0, 1).
            start: (S,) first belief. None: uniform.
        """
        from scipy.sparse import csr_array

        def own(matrix: Any) -> Any:
            """A copy with ascending columns, each once: it is normalised in place."""
            given = np.asarray(matrix) if isinstance(matrix, list) else matrix
            copy = csr_array(given, dtype=float, copy=True)
            copy.sum_duplicates()
            return copy

        T = [own(m) for m in transitions]
        seen = [own(m) for m in observations]
        R = np.array(rewards, np.float64)
        if not T or len(T) != len(seen):
            raise ShapeError(
                f"transitions, observations: need one each per action, got {len(T)} and {len(seen)}"
            )
        S, Z = T[0].shape[0], seen[0].shape[1]
        for name, matrices, shape in (("transitions", T, (S, S)), ("observations", seen, (S, Z))):
            for action, matrix in enumerate(matrices):
                if matrix.shape != shape:
                    raise ShapeError(f"{name}[{action}]: need {shape}, got {matrix.shape}")
                if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
                    raise ConfigError(f"{name}[{action}]: need finite probabilities >= 0")
                sums = np.asarray(matrix.sum(axis=1)).ravel()
                bad = np.flatnonzero(np.abs(sums - 1.0) > SUM_TOLERANCE)
                if bad.size:
                    raise ConfigError(
                        f"{name}[{action}]: row {bad[0]} sums to {sums[bad[0]]:.6g}, need 1"
                    )
                matrix.data /= np.repeat(sums, np.diff(matrix.indptr))
                matrix.eliminate_zeros()
        if R.shape != (S, len(T)):
            raise ShapeError(f"rewards: need {(S, len(T))}, got {R.shape}")
        if not np.isfinite(R).all():
            raise ConfigError("rewards: need finite numbers")
        if not 0.0 <= discount < 1.0:
            raise ConfigError(f"discount: need a number in [0, 1), got {discount}")
        belief = np.full(S, 1.0 / S) if start is None else np.array(start, np.float64)
        if belief.shape != (S,):
            raise ShapeError(f"start: need {(S,)}, got {belief.shape}")
        if not np.isfinite(belief).all() or (belief < 0).any() or abs(belief.sum() - 1) > 1e-6:
            raise ConfigError("start: need probabilities that sum to 1")
        return cls(
            PomdpTables(
                T, seen, R, float(discount), belief / belief.sum(),
                [str(i) for i in range(S)],
                [str(i) for i in range(len(T))],
                [str(i) for i in range(Z)],
            )
        )  # fmt: skip

    @property
    def n_states(self) -> int:
        return len(self.tables.start)

    @property
    def n_actions(self) -> int:
        return len(self.tables.transitions)

    @property
    def n_observations(self) -> int:
        return int(self.tables.observations[0].shape[1])

    @property
    def discount(self) -> float:
        return self.tables.discount

    @property
    def start(self) -> NDArray[np.float64]:
        """(S,) belief before the first action, a copy."""
        return self.tables.start.copy()

    @property
    def rewards(self) -> NDArray[np.float64]:
        """(S, A) expected reward of an action in a state."""
        return self.tables.rewards

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_native": None}  # built again where it is needed

    def __repr__(self) -> str:
        return (
            f"SparsePOMDP({self.n_states} states, {self.n_actions} actions, "
            f"{self.n_observations} observations, discount {self.discount:g})"
        )

    def update_belief(self, belief: ArrayLike, action: int, observation: int) -> BeliefUpdate:
        """Posterior after an action and what was then observed.

        Args:
            belief: (S,) probabilities; not modified.
            action, observation: indices.

        Raises:
            ShapeError, ConfigError: a wrong shape or index; never for the values.
        """
        prior = np.asarray(belief, np.float64)
        if prior.shape != (self.n_states,):
            raise ShapeError(f"belief: need ({self.n_states},), got {prior.shape}")
        if not np.isfinite(prior).all():
            return BeliefUpdate(prior, -np.inf, _native.Status.not_finite)
        if not 0 <= action < self.n_actions:
            raise ConfigError(f"action: need 0 to {self.n_actions - 1}, got {action}")
        if not 0 <= observation < self.n_observations:
            raise ConfigError(
                f"observation: need 0 to {self.n_observations - 1}, got {observation}"
            )
        if self._native is None and self._native_bytes > _NATIVE_LIMIT:
            return self._update_sparse(prior, action, observation)
        return BeliefUpdate(*self.native().update(prior, action, observation))

    @property
    def _native_bytes(self) -> int:
        """Of the native kernel's observation tables, which are dense."""
        return 8 * self.n_states * self.n_actions * self.n_observations

    def _update_sparse(self, prior: NDArray[np.float64], action: int, z: int) -> BeliefUpdate:
        """With SciPy, where dense observation tables would take too much memory."""
        tables = self.tables
        weight = (prior @ tables.transitions[action]) * (
            tables.observations[action][:, [z]].toarray().ravel()
        )
        total = float(weight.sum())
        if not total > 0.0:
            return BeliefUpdate(prior, -np.inf, _native.Status.zero_evidence)
        return BeliefUpdate(weight / total, float(np.log(total)), _native.Status.ok)

    def native(self) -> _native.belief.SparseTables:
        """Transitions and observations for the native kernel, in double precision; built once.

        `_native.belief.SparseBelief(model.native())` follows one belief, by its support alone
        while few states are possible.
        """
        if self._native is None:
            tables = _native.belief.SparseTables(
                self.n_states, self.n_actions, self.n_observations, single=False
            )
            pairs = zip(self.tables.transitions, self.tables.observations, strict=True)
            for action, (T, seen) in enumerate(pairs):
                tables.set_action(
                    action,
                    T.indptr.astype(np.int32),
                    T.indices.astype(np.int32),
                    np.ascontiguousarray(T.data, np.float64),
                    np.ascontiguousarray(seen.toarray(), np.float64),
                )
            self._native = tables
        return self._native
