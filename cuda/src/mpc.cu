/// Many optimal-control problems of one shape: a warp each, results alone are brought back.

#include "backend.hpp"
#include "device_buffer.cuh"
#include "kernels/ocp_batch.hpp"
#include "launch.cuh"

namespace optcore::cuda {
namespace {

using Kernel = OcpBatchKernel<double>;
using Problem = OcpBatchProblem<double>;
constexpr int warp = 32;

/// A host array on the device: of one problem or of all.
class Uploaded {
 public:
  Uploaded(const host::OcpArray& array, int batch, std::size_t each, const Stream& stream) noexcept
      : step_(array.step == 0 ? 0 : static_cast<std::ptrdiff_t>(each)),
        used_(array.data != nullptr),
        buffer_(!used_            ? 0
                : array.step == 0 ? each
                                  : each * static_cast<std::size_t>(batch),
                stream),
        status_(buffer_.status()) {
    if (failed(status_) || !used_) return;
    const int rows = array.step == 0 ? 1 : batch;
    status_ = buffer_.upload_rows(array.data, array.step, rows, each);
  }
  [[nodiscard]] Status status() const noexcept { return status_; }
  [[nodiscard]] Batched<double> view() const noexcept {
    return {used_ ? buffer_.data() : nullptr, step_};
  }

 private:
  std::ptrdiff_t step_;
  bool used_;
  DeviceBuffer<double> buffer_;
  Status status_;
};

}  // namespace

/// Launches only.
Status launch_solve(const Problem& problem, int blocks, cudaStream_t stream) noexcept {
  return launch_blocks<Kernel>(problem, blocks, warp, Kernel::shared_bytes(problem, warp), stream);
}

Status solve_batch(const host::OcpBatchData& d, const OcpSettings& settings,
                   const host::OcpBatchAnswer& answer) noexcept {
  const int batch = d.batch;
  const auto nx = static_cast<std::size_t>(d.size.nx), nu = static_cast<std::size_t>(d.size.nu);
  const auto n = static_cast<std::size_t>(d.size.horizon), all = static_cast<std::size_t>(batch);
  const Stream stream;
  OPTCORE_TRY_CUDA(stream.status());
  const Uploaded x0(d.x0, batch, nx, stream), A(d.A, batch, n * nx * nx, stream);
  const Uploaded B(d.B, batch, n * nx * nu, stream), b(d.b, batch, n * nx, stream);
  const Uploaded Q(d.Q, batch, (n + 1) * nx * nx, stream), R(d.R, batch, n * nu * nu, stream);
  const Uploaded S(d.S, batch, n * nu * nx, stream), q(d.q, batch, (n + 1) * nx, stream);
  const Uploaded r(d.r, batch, n * nu, stream), lbx(d.lbx, batch, (n + 1) * nx, stream);
  const Uploaded ubx(d.ubx, batch, (n + 1) * nx, stream), lbu(d.lbu, batch, n * nu, stream);
  const Uploaded ubu(d.ubu, batch, n * nu, stream);
  for (const Uploaded* array : {&x0, &A, &B, &b, &Q, &R, &S, &q, &r, &lbx, &ubx, &lbu, &ubu}) {
    OPTCORE_TRY_CUDA(array->status());
  }
  Problem p{};
  p.batch = batch;
  p.nx = d.size.nx;
  p.nu = d.size.nu;
  p.horizon = d.size.horizon;
  p.tolerance = settings.tolerance;
  p.barrier = settings.barrier;
  p.max_iterations = settings.max_iterations;
  p.x0 = x0.view();
  p.A = A.view();
  p.B = B.view();
  p.b = b.view();
  p.Q = Q.view();
  p.R = R.view();
  p.S = S.view();
  p.q = q.view();
  p.r = r.view();
  p.lbx = lbx.view();
  p.ubx = ubx.view();
  p.lbu = lbu.view();
  p.ubu = ubu.view();

  int blocks = 0;
  OPTCORE_TRY_CUDA((resident_blocks<Kernel, Problem>(warp, Kernel::shared_bytes(p, warp), blocks)));
  blocks = blocks < batch ? blocks : batch;
  DeviceBuffer<double> x(all * (n + 1) * nx, stream), u(all * n * nu, stream);
  DeviceBuffer<double> residual(all * 3, stream);
  DeviceBuffer<double> workspace(
      static_cast<std::size_t>(blocks) * static_cast<std::size_t>(Kernel::work_size(p)), stream);
  DeviceBuffer<Status> status(all, stream);
  DeviceBuffer<int> iterations(all, stream), counter(1, stream);
  for (const Status made : {x.status(), u.status(), residual.status(), workspace.status(),
                            status.status(), iterations.status(), counter.status()}) {
    OPTCORE_TRY_CUDA(made);
  }
  OPTCORE_TRY_CUDA(counter.fill_zero());
  p.x = x.data();
  p.u = u.data();
  p.status = status.data();
  p.iterations = iterations.data();
  p.residual = residual.data();
  p.workspace = workspace.data();
  p.counter = counter.data();
  OPTCORE_TRY_CUDA(launch_solve(p, blocks, stream.get()));
  OPTCORE_TRY_CUDA(x.download(answer.x));
  OPTCORE_TRY_CUDA(u.download(answer.u));
  OPTCORE_TRY_CUDA(residual.download(answer.residual.data));
  OPTCORE_TRY_CUDA(status.download(answer.status.data));
  OPTCORE_TRY_CUDA(iterations.download(answer.iterations.data));
  return stream.synchronize();
}

}  // namespace optcore::cuda
