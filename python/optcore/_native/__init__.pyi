import enum

from optcore._native import belief as belief
from optcore._native import gp as gp
from optcore._native import loop as loop
from optcore._native import mpc as mpc
from optcore._native import planning as planning
from optcore._native import runtime as runtime

class Device:
    @staticmethod
    def cpu() -> Device: ...
    @staticmethod
    def cuda(index: int = 0) -> Device: ...

class Status(enum.IntEnum):
    ok = 0
    reset_to_prior = 1
    low_ess = 2
    repaired = 3
    refactored = 4
    invalid_argument = -1
    shape_mismatch = -2
    not_finite = -3
    not_positive_definite = -4
    zero_evidence = -5
    max_iterations = -6
    primal_infeasible = -7
    dual_infeasible = -8
    out_of_memory = -9
    capacity_exceeded = -10
    device_unavailable = -11
    not_ready = -12

def describe(device: Device) -> tuple[bool, str, float]: ...
def cpu_isa() -> str: ...
