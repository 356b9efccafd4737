#pragma once

#include <string>
#include <vector>

#include "optcore/core/status.hpp"
#include "optcore/gp/kernel_node.hpp"
#include "optcore/host/gp.hpp"

namespace optcore::host {

/// A Gaussian process as GaussianProcess.save() of Python wrote it: data and hyper-parameters.
struct SavedGp {
  int points = 0, dims = 0, outputs = 0;
  std::vector<double> X;  ///< points x dims by rows
  std::vector<double> Y;  ///< points x outputs by rows
  std::vector<double> mean, point_noise, parameters;
  std::vector<KernelNode> nodes;
  double noise = 0;

  /// Views of this object's arrays, for GaussianProcess::fit() of host or a Likelihood.
  [[nodiscard]] GpHyperparameters hyper() const;
  [[nodiscard]] MatrixView<const double> inputs() const { return {X.data(), points, dims, dims}; }
  [[nodiscard]] MatrixView<const double> values() const {
    return {Y.data(), points, outputs, outputs};
  }
  /// A process conditioned on the data. @throws std::bad_alloc
  /// @param spare  points that may be appended
  [[nodiscard]] GaussianProcess process(int spare, bool with_inverse, Status& status) const;
};

/// What read_gp() found; `reason` is empty on success and otherwise says what is wrong.
struct GpFile {
  SavedGp gp;
  std::string reason;
};

/// Reads the npz file that Python's GaussianProcess.save() writes: an uncompressed zip of npy
/// arrays, checksums and version checked.
[[nodiscard]] GpFile read_gp(const std::string& path);

}  // namespace optcore::host
