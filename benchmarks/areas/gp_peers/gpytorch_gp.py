"""GPyTorch in float64, by Cholesky factors: its iterative methods answer to fewer digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import gpytorch
import numpy as np
import torch
from scipy.optimize import minimize

from areas.gp_peers.problem import Floats, Problem


class _Exact(gpytorch.models.ExactGP):  # type: ignore[misc]  # no types
    def __init__(self, X: Any, y: Any, likelihood: Any, kernel: Any) -> None:
        super().__init__(X, y, likelihood)
        self.mean_module = gpytorch.means.ZeroMean(batch_shape=X.shape[:-2])
        self.covar_module = kernel

    def forward(self, X: Any) -> Any:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(X), self.covar_module(X))


def model(p: Problem, X: Floats, y: Floats) -> Any:
    """X (..., n, d), y (..., n); the hyper-parameters of p in each."""
    points, values = torch.as_tensor(X), torch.as_tensor(y)
    shape = points.shape[:-2]
    likelihood = gpytorch.likelihoods.GaussianLikelihood(
        noise_constraint=gpytorch.constraints.GreaterThan(1e-8), batch_shape=shape
    )
    gp = _Exact(points, values, likelihood, kernel(p, shape)).double()
    gp.likelihood.noise = p.noise
    return gp


def kernel(p: Problem, shape: Any = ()) -> Any:
    shape = torch.Size(shape)
    base = gpytorch.kernels.RBFKernel(ard_num_dims=len(p.scales), batch_shape=shape)
    scaled = gpytorch.kernels.ScaleKernel(base, batch_shape=shape).double()
    base.lengthscale = torch.tensor(p.scales)
    scaled.outputscale = p.variance
    return scaled


def by_cholesky() -> AbstractContextManager[Any]:
    settings: AbstractContextManager[Any] = gpytorch.settings.max_cholesky_size(10**6)
    return settings


def fit(p: Problem) -> Callable[[], Floats]:
    gp = model(p, p.X, p.y)
    probe = torch.as_tensor(p.X[:1])

    def run() -> Floats:
        gp.train()  # forgets the factor
        gp.eval()
        with torch.no_grad(), by_cholesky():
            gp(probe)
            return np.asarray(gp.prediction_strategy.mean_cache.numpy())

    return run


def _evaluator(p: Problem) -> Callable[[Floats], tuple[float, Floats]]:
    """Log marginal likelihood and its gradient, both in terms of the logarithms."""
    gp = model(p, p.X, p.y)
    gp.train()
    objective = gpytorch.mlls.ExactMarginalLogLikelihood(gp.likelihood, gp)
    base = gp.covar_module.base_kernel
    raw = (gp.covar_module.raw_outputscale, base.raw_lengthscale, gp.likelihood.raw_noise)

    def evaluate(logs: Floats) -> tuple[float, Floats]:
        values = np.exp(logs)
        gp.covar_module.outputscale = values[0]
        base.lengthscale = torch.as_tensor(values[1:-1])
        gp.likelihood.noise = values[-1]
        gp.zero_grad()
        with by_cholesky():
            value = objective(gp(*gp.train_inputs), gp.train_targets) * len(p.y)
            value.backward()
        slopes = np.concatenate([r.grad.reshape(-1).numpy() for r in raw])
        # the parameters are softplus(raw), the noise 1e-8 more
        soft = values - np.array([0.0] * (len(values) - 1) + [1e-8])
        return float(value.detach()), slopes * values / -np.expm1(-soft)

    return evaluate


def likelihood(p: Problem) -> Callable[[], tuple[float, Floats]]:
    evaluate = _evaluator(p)
    return lambda: evaluate(p.logs)


def maximiser(p: Problem) -> Callable[[], float]:
    """SciPy's L-BFGS-B on its value and gradient; its users' Adam takes longer."""
    evaluate = _evaluator(p)

    def objective(logs: Floats) -> tuple[float, Floats]:
        value, slope = evaluate(logs)
        return -value, -slope

    bounds = [(math.log(1e-6), math.log(1e6))] * len(p.logs)
    return lambda: (
        -float(minimize(objective, p.logs, jac=True, method="L-BFGS-B", bounds=bounds).fun)
    )


def predictor(p: Problem, Z: Floats) -> Callable[[], tuple[Floats, Floats]]:
    """With fast_pred_var: its caches are filled by the first call."""
    gp = model(p, p.X, p.y)
    gp.eval()
    at = torch.as_tensor(Z)

    def predict() -> tuple[Floats, Floats]:
        with torch.no_grad(), by_cholesky(), gpytorch.settings.fast_pred_var():
            posterior = gp(at)
            return posterior.mean.numpy(), posterior.variance.numpy()

    return predict


def batch(X: Floats, Y: Floats, Z: Floats, p: Problem) -> Callable[[], tuple[Floats, Floats]]:
    """Fit and predict of every (X[b], Y[b]) at Z[b]."""
    gp = model(p, X, Y)
    at = torch.as_tensor(Z)

    def predict() -> tuple[Floats, Floats]:
        gp.train()
        gp.eval()
        with torch.no_grad(), by_cholesky():
            posterior = gp(at)
            return posterior.mean.numpy(), posterior.variance.numpy()

    return predict


def _sparse(p: Problem, Z: Floats) -> Any:
    base = kernel(p)
    likelihood = gpytorch.likelihoods.GaussianLikelihood(
        noise_constraint=gpytorch.constraints.GreaterThan(1e-8)
    )
    inducing = gpytorch.kernels.InducingPointKernel(base, torch.as_tensor(Z), likelihood)
    gp = _Exact(torch.as_tensor(p.X), torch.as_tensor(p.y), likelihood, inducing).double()
    inducing.inducing_points.requires_grad_(False)
    gp.likelihood.noise = p.noise
    return gp


def sparse_bound(p: Problem, Z: Floats) -> Callable[[], tuple[float, Floats]]:
    """SGPR: the bound and its gradient with the inducing inputs held."""
    gp = _sparse(p, Z)
    gp.train()
    objective = gpytorch.mlls.ExactMarginalLogLikelihood(gp.likelihood, gp)
    scaled = gp.covar_module.base_kernel
    raw = (scaled.raw_outputscale, scaled.base_kernel.raw_lengthscale, gp.likelihood.raw_noise)
    values = np.array([p.variance, *p.scales, p.noise])

    def evaluate() -> tuple[float, Floats]:
        gp.zero_grad()
        with by_cholesky():
            value = objective(gp(*gp.train_inputs), gp.train_targets) * len(p.y)
            value.backward()
        slopes = np.concatenate([r.grad.reshape(-1).numpy() for r in raw])
        soft = values - np.array([0.0] * (len(values) - 1) + [1e-8])
        return float(value.detach()), slopes * values / -np.expm1(-soft)

    return evaluate


def sparse_predictor(
    p: Problem, Z: Floats, queries: Floats
) -> Callable[[], tuple[float, Floats, Floats]]:
    """SGPR: the bound, then mean and variance of the latent function.

    GPyTorch predicts with a corrected diagonal (FITC), which is not the posterior of the bound;
    without the correction its means are ours to 1e-8, but it then answers wrong variances.
    """
    gp = _sparse(p, Z)
    objective = gpytorch.mlls.ExactMarginalLogLikelihood(gp.likelihood, gp)
    at = torch.as_tensor(queries)

    def run() -> tuple[float, Floats, Floats]:
        with torch.no_grad(), by_cholesky():
            gp.train()
            bound = objective(gp(*gp.train_inputs), gp.train_targets) * len(p.y)
            gp.eval()
            posterior = gp(at)
            return float(bound), posterior.mean.numpy(), posterior.variance.numpy()

    return run
