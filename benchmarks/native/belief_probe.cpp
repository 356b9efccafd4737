/// One step of a belief, for callgrind to count: belief_probe step|imm SIZE.

#include <vector>

#include "optcore/host/belief.hpp"
#include "optcore/host/kalman.hpp"
#include "probe.hpp"

namespace {

namespace host = optcore::host;
using optcore::Status;
using optcore::probe::probed;

Status step(int states) {
  std::vector<double> matrix(states * states, 0.1 / states), logs(states);
  for (int i = 0; i < states; ++i) {
    matrix[i * states + i] += 0.9;
    logs[i] = -0.3 * i;
  }
  host::DiscreteFilter filter(states, true);
  const Status status = filter.set_transition({matrix.data(), states, states, states});
  if (optcore::failed(status)) return status;
  return probed([&] { return filter.step({logs.data(), states}); });
}

Status imm(int d) {
  constexpr int m = 2, models = 5;
  if (d < m) return Status::invalid_argument;
  std::vector<double> F(d * d), Q(d * d), H(m * d), R = {0.05, 0, 0, 0.05}, P(d * d), x(d);
  for (int i = 0; i < d; ++i) F[i * d + i] = P[i * d + i] = 1;
  for (int i = 0; i + m < d; ++i) F[i * d + i + m] = 0.1;
  for (int i = 0; i < m; ++i) H[i * d + i] = 1;
  host::KalmanFilters filters(d, m, models);
  for (int w = 0; w < models; ++w) {
    for (int i = 0; i < d; ++i) Q[i * d + i] = 0.01 * (w + 1);
    const Status status =
        filters.set(w, {F.data(), d, d, d}, {Q.data(), d, d, d}, {H.data(), m, d, d},
                    {R.data(), m, m, m}, {x.data(), d}, {P.data(), d, d, d});
    if (optcore::failed(status)) return status;
  }
  const double z[m] = {0.3, -0.2};
  return probed([&] { return filters.step({z, m}); });
}

}  // namespace

int main(int argc, char** argv) {
  return optcore::probe::run(argc, argv, {{"step", step}, {"imm", imm}});
}
