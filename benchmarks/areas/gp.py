"""gp: Gaussian processes beside SciPy's LAPACK, scikit-learn, GPyTorch and tinygp.

Everybody gets the same data and the same hyper-parameters in float64 and answers to the same
digits; see areas/gp_cases for what each call does and areas/gp_peers for how each peer does it.
"""

from __future__ import annotations

from areas.gp_cases import exact, many, online
from harness import Case

__all__ = ["cases"]


def cases() -> list[Case]:
    return [*exact.cases(), *online.cases(), *many.cases()]
