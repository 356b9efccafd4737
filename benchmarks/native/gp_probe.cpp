/// One call of a Gaussian process, for callgrind to count: gp_probe cholesky|predict POINTS.

#include <cmath>
#include <vector>

#include "optcore/host/buffer.hpp"
#include "optcore/host/gp.hpp"
#include "probe.hpp"
#include "support/random.hpp"

namespace {

namespace host = optcore::host;
using optcore::Status;
using optcore::probe::probed;

Status cholesky(int n) {
  const int stride = host::cholesky_stride(n), rows = host::cholesky_rows(n);
  const host::Buffer memory(static_cast<std::size_t>(stride) * rows * sizeof(double));
  const host::Buffer workspace(host::cholesky_workspace(n) * sizeof(double));
  double* const a = static_cast<double*>(memory.data());
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) a[i * stride + j] = std::exp(-0.5 * (i - j) * (i - j));
    a[i * stride + i] += 0.01;
  }
  return probed([&] {
    return host::cholesky(a, n, stride, static_cast<double*>(workspace.data()), nullptr);
  });
}

Status predict(int n) {
  constexpr int d = 8;
  optcore::support::Random random(3);
  std::vector<double> X(n * d), y(n), scales(d, 1.5);
  for (double& x : X) x = random.normal();
  for (double& value : y) value = random.normal();
  host::GaussianProcess gp(n, d, 1, true);
  const Status status = gp.fit({X.data(), n, d, d}, {y.data(), n, 1, 1},
                               {.length_scales = {scales.data(), d}, .noise = 0.01});
  if (optcore::failed(status)) return status;
  const double query[d] = {};
  double mean = 0, variance = 0;
  return probed([&] { return gp.predict({query, 1, d, d}, {&mean, 1, 1, 1}, {&variance, 1}); });
}

}  // namespace

int main(int argc, char** argv) {
  return optcore::probe::run(argc, argv, {{"cholesky", cholesky}, {"predict", predict}});
}
