"""The planner's quadratic programme in OSQP: one workspace, updated and warm-started.

    minimise    1/2 sum q (x_k - ref_k)^2 + 1/2 sum r u_k^2 + sum l1 s + 1/2 l2 s^2
    subject to  x_{k+1} = A x_k + B u_k,  |u| <= a,  |v| <= v_max,  n . p_k + s >= d,  s >= 0

Sparse in (x, u, s): for OSQP that is faster than condensing, as its factor stays banded. The
pattern is fixed; a cycle changes only vectors and the normals of the half-planes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from areas.loop_baseline.scene import STAGE_S, STAGES, Floats

_FAR = 1e6  # offset of a half-plane that is not there


class PlanQp:
    """Soft half-planes, `rows` per stage; the slack's penalty is exact (L1) and quadratic."""

    def __init__(self, settings: Mapping[str, float], rows: int, eps: float) -> None:
        import osqp

        self._rows = rows
        self._state = slice(0, 4 * STAGES)  # x_1 .. x_N
        self._input = slice(4 * STAGES, 6 * STAGES)  # u_0 .. u_{N-1}
        weight = np.repeat([settings["weight_position"], settings["weight_velocity"]], 2)
        stage = np.tile(weight, STAGES)
        stage[-4:] *= settings["weight_terminal"]
        self._stage, self._effort = stage, settings["weight_effort"]
        slack = STAGES * rows
        cost = np.concatenate(
            [
                stage,
                np.full(2 * STAGES, self._effort),
                np.full(slack, settings["penalty_square"]),
            ]
        )
        self._q = np.concatenate([np.zeros(6 * STAGES), np.full(slack, settings["penalty_linear"])])

        h = STAGE_S
        a = np.eye(4) + h * np.eye(4, k=2)
        b = np.vstack([0.5 * h * h * np.eye(2), h * np.eye(2)])
        self._a = a
        dynamics = sparse.hstack(
            [
                sparse.eye(4 * STAGES) - sparse.kron(sparse.eye(STAGES, k=-1), a),
                -sparse.kron(sparse.eye(STAGES), b),
                sparse.csc_matrix((4 * STAGES, slack)),
            ]
        )
        speed = sparse.kron(sparse.eye(STAGES), sparse.csc_matrix([[0, 0, 1, 0], [0, 0, 0, 1]]))
        bounds = sparse.block_diag([speed, sparse.eye(2 * STAGES), sparse.eye(slack)])
        # Normals are filled in each cycle: numbered here to find them in OSQP's column order.
        row = np.arange(slack)
        column = 4 * (row // rows)
        numbers = np.arange(1.0, 2 * slack + 1)
        normals = sparse.csc_matrix(
            (numbers, (np.tile(row, 2), np.concatenate([column, column + 1]))),
            shape=(slack, 6 * STAGES),
        )
        planes = sparse.hstack([normals, 1e9 * sparse.eye(slack)])
        matrix = sparse.csc_matrix(sparse.vstack([dynamics, bounds, planes]))
        matrix.sort_indices()
        bottom = matrix.indices >= dynamics.shape[0] + bounds.shape[0]
        mine = np.flatnonzero(bottom & (matrix.data < 1e9))
        self._normal_index = np.empty(2 * slack, np.int64)
        self._normal_index[matrix.data[mine].astype(np.int64) - 1] = mine
        matrix.data[mine] = 0.5
        matrix.data[bottom & (matrix.data == 1e9)] = 1.0

        limits = np.concatenate(
            [
                np.full(2 * STAGES, settings["max_speed"]),
                np.full(2 * STAGES, settings["max_acceleration"]),
            ]
        )
        self._planes = slice(matrix.shape[0] - slack, matrix.shape[0])
        self._lower = np.concatenate(
            [np.zeros(4 * STAGES), -limits, np.zeros(slack), np.full(slack, -_FAR)]
        )
        self._upper = np.concatenate([np.zeros(4 * STAGES), limits, np.full(2 * slack, np.inf)])
        self._osqp = osqp.OSQP()
        self._osqp.setup(
            sparse.diags(cost, format="csc"),
            self._q,
            matrix,
            self._lower,
            self._upper,
            verbose=False,
            eps_abs=eps,
            eps_rel=eps,
            max_iter=4000,
            warm_starting=True,
            polishing=False,
            rho=1.0,  # with its adaptation on, the fastest of a sweep on these problems
            check_termination=10,
        )
        self.reset()

    def reset(self) -> None:
        """Forget the warm start."""
        n, m = len(self._q), len(self._lower)
        self._osqp.warm_start(x=np.zeros(n), y=np.zeros(m))
        self.iterations = 0

    def solve(self, state: Floats, reference: Floats, normals: Floats, offsets: Floats) -> None:
        """Solve for state (4,), reference (N + 1, 2), normals (N, rows, 2), offsets (N, rows)."""
        target = np.zeros((STAGES, 4))
        target[:, :2] = reference[1:]
        target[:-1, 2:] = np.diff(reference[1:], axis=0) / STAGE_S
        self._target = target.ravel()
        self._q[self._state] = -self._stage * self._target
        self._lower[:4] = self._upper[:4] = self._a @ state
        self._lower[self._planes] = offsets.ravel()
        flat = normals.reshape(-1, 2)
        self._osqp.update(
            q=self._q,
            l=self._lower,
            u=self._upper,
            Ax=np.concatenate([flat[:, 0], flat[:, 1]]),
            Ax_idx=self._normal_index,
        )
        result = self._osqp.solve()
        self.iterations = int(result.info.iter)
        self.solved = result.info.status_val in (1, 2)
        x = result.x
        self._x = x[self._state]
        self._u = x[self._input]
        self.path = np.vstack([state[:2], self._x.reshape(STAGES, 4)[:, :2]])
        self.input = np.array(self._u[:2])

    def tracking_cost(self) -> float:
        """The cost without slack."""
        error = self._x - self._target
        return float(0.5 * self._stage @ error**2 + 0.5 * self._effort * (self._u @ self._u))
