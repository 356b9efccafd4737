#include <cmath>
#include <cstdio>

#include "optcore/host/belief.hpp"

// The library: a batch, the CPU's best instruction set.
int main() {
  using namespace optcore;
  double beliefs[4] = {std::log(0.8), std::log(0.2), std::log(0.5), std::log(0.5)};
  const double likelihoods[4] = {std::log(0.1), std::log(0.9), 0, 0};
  Status rows[2];
  const Status status = host::update_beliefs(host::Device::cpu(), {beliefs, 2, 2, 2},
                                             {likelihoods, 2, 2, 2}, {}, {rows, 2});
  if (failed(status) || failed(rows[0]) || failed(rows[1])) return 1;
  std::printf("optcore on %s\n", host::cpu_isa());
  return std::abs(std::exp(beliefs[0]) - 0.08 / 0.26) < 1e-12 ? 0 : 2;
}
