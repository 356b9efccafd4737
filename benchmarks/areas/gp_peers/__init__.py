"""The same Gaussian process in each peer: one module per library, the same functions in each.

fit(p)            -> call giving the weights K^-1 y
likelihood(p)     -> call giving the log marginal likelihood and its gradient with respect to the
                     logarithms of (variance, length scales, noise)
predictor(p, Z)   -> call giving mean and variance of the latent function at Z
maximiser(p)      -> call giving the best log marginal likelihood that its optimiser finds
"""
