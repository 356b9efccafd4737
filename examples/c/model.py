"""A cart with friction that a GP learned, and who of two people comes, as C for cart.c.

python model.py FOLDER
"""

import sys

import numpy as np

from optcore.export import export_firmware
from optcore.gp import RBF, GaussianProcess
from optcore.mpc import OcpQp

h = 0.1
rng = np.random.default_rng(0)
speed = rng.uniform(-2, 2, (30, 1))
friction = -0.3 * np.tanh(4 * speed[:, 0])  # m/s^2, as measured
gp = GaussianProcess(RBF(0.6, 0.1), noise=1e-4).fit(speed, friction)
problem = OcpQp(
    A=[[1, h], [0, 1]], B=[[h * h / 2], [h]], Q=np.diag([1.0, 0.1]), R=[[0.01]], N=15,
    lbu=[-2], ubu=[2], lbx=[-3, -1.5], ubx=[3, 1.5],
)  # fmt: skip
report = export_firmware(
    sys.argv[1],
    problem=problem,
    disturbance=[[h * h / 2], [h]],
    gp=gp,
    transition=[[0.95, 0.05], [0.05, 0.95]],
)
print(report.tables)
