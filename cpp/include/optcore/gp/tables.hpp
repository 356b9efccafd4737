#pragma once

#include "optcore/core/view.hpp"
#include "optcore/gp/kernel_node.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

/// A fitted Gaussian process as constant tables, as optcore.gp.export_header (Python) writes them
/// for firmware; Model::attach() answers from them. Rows are padded to `stride`, a multiple of the
/// widest register, so that any instruction set may read them; of four numbers in compact tables.
template <class T>
struct Tables {
  int family;  ///< as KernelFamily
  int points, dims, outputs;
  int stride;
  T variance, noise;
  const T* scales;          ///< (d,) what inputs are multiplied with
  const T* inputs;          ///< d x stride: scaled inputs by feature, zero padding
  const T* factor;          ///< stride x stride by columns: lower factor, padded with the identity
  const T* weights;         ///< outputs x stride: K^-1 (y - mean), zero padding
  const T* mean;            ///< prior mean, as hyperparameters.hpp lays it out
  const KernelNode* nodes;  ///< of a composite kernel
  int node_count;
  const T* parameters;  ///< of its nodes
  int parameter_count;
  int mean_count = outputs;  ///< (outputs,) numbers, or (outputs * (1 + dims),) where it is linear
};

}  // namespace optcore::inline OPTCORE_ISA::gp
