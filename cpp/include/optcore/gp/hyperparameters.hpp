#pragma once

#include "optcore/core/view.hpp"
#include "optcore/gp/kernel_node.hpp"
#include "optcore/gp/stationary.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
struct Hyperparameters {
  KernelFamily family = KernelFamily::rbf;
  T variance = 1;                          ///< of the signal, output units squared, > 0
  VectorView<const T> length_scales = {};  ///< (d,) input units, > 0; copied; composite: empty
  T noise = T(1e-2);                       ///< variance of the observation noise, >= 0
  /// Prior mean: empty is zero; (outputs,) constants; or those followed by slopes (outputs, d) by
  /// rows: a linear function of the input. Copied.
  VectorView<const T> mean = {};
  VectorView<const T> point_noise = {};     ///< (n,) variance added to each point's noise, or empty
  VectorView<const KernelNode> nodes = {};  ///< of a composite kernel, in postfix; copied
  VectorView<const T> parameters = {};      ///< of its nodes; copied
};

}  // namespace optcore::inline OPTCORE_ISA::gp
