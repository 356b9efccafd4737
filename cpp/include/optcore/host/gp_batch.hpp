#pragma once

#include <vector>

#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"
#include "optcore/host/device.hpp"
#include "optcore/host/gp.hpp"

namespace optcore::host {

/// Hyper-parameters of a batch: one row for all, or one for each of its processes.
struct GpBatchHyperparameters {
  GpFamily family = GpFamily::rbf;
  VectorView<const double> variance;       ///< (1,) or (batch,)
  MatrixView<const double> length_scales;  ///< (1, d) or (batch, d)
  VectorView<const double> noise;          ///< (1,) or (batch,)
  VectorView<const double> mean;           ///< (outputs,) of all, or empty
};

/// Many small Gaussian processes of different sizes. One model, which stays in the caches, serves
/// them by turns; what each has learned waits in a compact form. One thread; no call but the
/// constructor allocates.
class GaussianProcessBatch {
 public:
  /// @param sizes  points of each process, >= 0
  /// @throws std::bad_alloc
  GaussianProcessBatch(VectorView<const int> sizes, int dims, int outputs);

  /// Fits all. One that fails leaves its reason in `status` and answers with its prior; the others
  /// are fitted all the same.
  /// @param X (total, d), the points of one process after those of the other
  /// @param Y (total, outputs)   @param status (batch,)
  /// @return shape_mismatch of the whole call, otherwise ok
  [[nodiscard]] Status fit(MatrixView<const double> X, MatrixView<const double> Y,
                           const GpBatchHyperparameters& hyper, VectorView<Status> status) noexcept;

  /// Means and variances of each process at `queries`.
  /// @param queries (m, d) asked of all, or (batch * m, d), a block of m rows for each
  /// @param mean (batch * m, outputs)   @param variance (batch * m,)
  [[nodiscard]] Status predict(MatrixView<const double> queries, MatrixView<double> mean,
                               VectorView<double> variance) noexcept;

  /// @param values (batch,) nats, summed over the outputs; 0 for a process without data
  [[nodiscard]] Status log_marginal_likelihood(VectorView<double> values) noexcept;

  [[nodiscard]] int size() const noexcept { return static_cast<int>(sizes_.size()); }
  [[nodiscard]] int points(int i) const noexcept { return sizes_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] int total() const noexcept { return total_; }
  [[nodiscard]] int dims() const noexcept { return dims_; }
  [[nodiscard]] int outputs() const noexcept { return outputs_; }

 private:
  void turn_to(int i) noexcept;

  int dims_, outputs_, total_ = 0;
  std::vector<int> sizes_, fitted_;  // points of each; those its last fit has learned
  std::vector<std::size_t> first_;   // of each in learned_
  Buffer memory_, learned_;          // of the model; of all processes
  void* model_ = nullptr;
};

/// What fit_predict() reads; shapes as in GaussianProcessBatch.
struct GpBatchData {
  VectorView<const int> sizes;    ///< (batch,)
  MatrixView<const double> X, Y;  ///< (total, d), (total, outputs)
  GpBatchHyperparameters hyper;
  MatrixView<const double> queries;  ///< (m, d) or (batch * m, d)
};

/// What it writes.
struct GpBatchAnswer {
  MatrixView<double> mean;          ///< (batch * m, outputs)
  VectorView<double> variance;      ///< (batch * m,)
  VectorView<double> likelihood{};  ///< (batch,) log marginal, or empty
  VectorView<Status> status;        ///< (batch,) a process that fails answers with its prior
};

/// Fits many small processes, predicts, and forgets them: on a device nothing else is brought back.
/// On a device each has at most 256 points and no composite kernel.
/// @return shape_mismatch, not_finite (a query), invalid_argument, capacity_exceeded, out_of_memory
///         or device_unavailable of the whole call, otherwise ok
[[nodiscard]] Status fit_predict(Device device, const GpBatchData& data,
                                 const GpBatchAnswer& answer) noexcept;

}  // namespace optcore::host
