"""One object that makes the three kernels fast on the machine at hand."""

from __future__ import annotations

from pathlib import Path

from optcore.algorithm_optimizer.bayesian_rl import BayesianRLOptimizer
from optcore.algorithm_optimizer.config import OptimizationConfig
from optcore.algorithm_optimizer.gp import GPInferenceOptimizer
from optcore.algorithm_optimizer.mpc import MPCOptimizer
from optcore.algorithm_optimizer.tuning import machine
from optcore.algorithm_optimizer.tuning.result import TARGETS, Target, TuningResult, table
from optcore.algorithm_optimizer.tuning.store import TuningStore, default_directory
from optcore.errors import ConfigError

__all__ = ["AlgorithmOptimizerSuite"]


class AlgorithmOptimizerSuite:
    """The three optimizers, and the measurements that set them.

    Args:
        config: of gp_optimizer and bayesian_rl_optimizer; `approximation_threshold` is the largest
            error that tuning may trade for speed or memory.
        gp_optimizer, mpc_optimizer, bayesian_rl_optimizer: made by the caller (limits and model of
            the robot are arguments of MPCOptimizer); default ones when absent.
        directory: where results of tuning are kept, a file a machine; default
            $XDG_CACHE_HOME/optcore/tuning or ~/.cache/optcore/tuning.

    Example:
        >>> suite = AlgorithmOptimizerSuite()
        >>> result = suite.optimize_system_wide("speed")  # doctest: +SKIP
        >>> result.settings.gp_approximate_from  # doctest: +SKIP
        2000
    """

    def __init__(
        self,
        config: OptimizationConfig | None = None,
        *,
        gp_optimizer: GPInferenceOptimizer | None = None,
        mpc_optimizer: MPCOptimizer | None = None,
        bayesian_rl_optimizer: BayesianRLOptimizer | None = None,
        directory: str | Path | None = None,
    ) -> None:
        self.config = config if config is not None else OptimizationConfig()
        self.gp_optimizer = gp_optimizer or GPInferenceOptimizer(self.config)
        self.mpc_optimizer = mpc_optimizer or MPCOptimizer()
        self.bayesian_rl_optimizer = bayesian_rl_optimizer or BayesianRLOptimizer(self.config)
        self._directory = Path(directory) if directory is not None else default_directory()
        self.last: TuningResult | None = None

    def optimize_system_wide(
        self,
        optimization_target: Target = "balanced",
        *,
        seconds: float = 40.0,
        retune: bool = False,
        quiet: bool = False,
    ) -> TuningResult:
        """Measure this machine for the target and set the optimizers accordingly.

        The first call on a machine takes some seconds; its result is kept in a file and later ones
        read it. Whatever is not faster (or smaller, or more accurate) stays as it is by default,
        and what proves slower on whole workloads is taken back.

        Args:
            optimization_target: "speed"; "memory"; "accuracy", with no approximation at all;
                "balanced", which asks for larger gains and a tenth of the error.
            seconds: most to spend on measuring, at most 60.
            retune: measure again although a result is kept.
            quiet: do not print the table.

        Returns:
            What was chosen and why; `tuning.table` makes a text of it.

        Raises:
            ConfigError: an unknown target; seconds out of range.
        """
        from optcore.algorithm_optimizer.tuning.tune import apply, tune

        if optimization_target not in TARGETS:
            raise ConfigError(
                f"optimization_target must be one of {', '.join(TARGETS)}, "
                f"got {optimization_target!r}"
            )
        if not 0 < seconds <= 60:
            raise ConfigError(f"seconds must lie in (0, 60], got {seconds:g}")
        described = machine.describe()
        store = TuningStore(self._directory, machine.fingerprint(described))
        key = f"{optimization_target}-{machine.fingerprint(self.config.to_dict())}"
        result = None if retune else store.find(key)
        if result is None:
            result = tune(optimization_target, self.config, described, seconds)
            store.keep(key, result)
        apply(result.settings, self.gp_optimizer, self.mpc_optimizer, self.bayesian_rl_optimizer)
        self.last = result
        if not quiet:
            print(table(result))
        return result
