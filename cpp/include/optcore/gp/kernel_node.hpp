#pragma once

#include "optcore/core/config.hpp"

namespace optcore {

/// What a node of a covariance function is. The first four are numbered as KernelFamily.
/// d = `dims`; r_f = (x_f - y_f) / length_scale_f. Parameters in their order; all are > 0 but the
/// coregional weights.
enum class KernelKind : int {
  rbf = 0,       ///< variance exp(-r^2 / 2): variance, length scales (d)
  matern12 = 1,  ///< as above, by Matern's function
  matern32 = 2,
  matern52 = 3,
  rational_quadratic = 4,  ///< variance (1 + r^2 / (2 alpha))^-alpha: variance, alpha, scales (d)
  periodic = 5,            ///< variance exp(-2 sum_f (sin(pi (x_f - y_f) / period_f) / scale_f)^2):
                           ///< variance, periods (d), scales (d)
  linear = 6,              ///< sum_f variance_f x_f y_f: variances (d)
  constant = 7,            ///< variance
  white = 8,               ///< variance where x and y are the same point, else 0: variance
  coregional = 9,          ///< B(t, u) of the outputs t, u that input `dims` holds, B = W W' +
                           ///< diag(kappa): W (outputs x rank by rows), kappa (outputs)
  sum = 10,                ///< of the two values before it
  product = 11,            ///< of the two values before it
};

/// One node of a covariance function written in postfix: operands before their operator.
struct KernelNode {
  KernelKind kind = KernelKind::constant;
  int dims = 0;        ///< leading inputs it looks at; coregional: the input that holds the output
  int parameters = 0;  ///< where its parameters begin
  int outputs = 0;     ///< coregional
  int rank = 0;        ///< coregional
};

/// Most nodes of one covariance function.
inline constexpr int max_kernel_nodes = 16;

/// Parameters of a node.
[[nodiscard]] OPTCORE_HD constexpr int parameter_count(const KernelNode& node) noexcept {
  switch (node.kind) {
    case KernelKind::rational_quadratic: return 2 + node.dims;
    case KernelKind::periodic: return 1 + 2 * node.dims;
    case KernelKind::linear: return node.dims;
    case KernelKind::constant:
    case KernelKind::white: return 1;
    case KernelKind::coregional: return node.outputs * (node.rank + 1);
    case KernelKind::sum:
    case KernelKind::product: return 0;
    default: return 1 + node.dims;
  }
}

}  // namespace optcore
