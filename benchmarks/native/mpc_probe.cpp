/// One solve of the chain, for callgrind to count: mpc_probe factorise|cold|kept|warm NX.

#include "mpc_problem.hpp"
#include "probe.hpp"

namespace {

using optcore::OcpMethod;
using optcore::Status;
using optcore::bench::Chain;
using optcore::probe::probed;

Status solve(int nx, bool bounded, bool warm, OcpMethod method) {
  if (nx != 8 && nx != 12) return Status::invalid_argument;
  const Chain problem = nx == 8 ? Chain(8, 3, 15, bounded) : Chain(12, 4, 30, bounded);
  auto solver = problem.solver();
  for (int i = 0; i < 2; ++i) {
    const Status status = solver.solve(problem.x0.data(), false, {.method = method}).status;
    if (optcore::failed(status)) return status;
  }
  return probed([&] { return solver.solve(problem.x0.data(), warm, {.method = method}).status; });
}

Status factorise(int nx) { return solve(nx, false, false, OcpMethod::riccati); }
Status cold(int nx) { return solve(nx, true, false, OcpMethod::riccati); }
Status kept(int nx) { return solve(nx, true, false, OcpMethod::automatic); }
Status warm(int nx) { return solve(nx, true, true, OcpMethod::automatic); }

}  // namespace

int main(int argc, char** argv) {
  return optcore::probe::run(
      argc, argv, {{"factorise", factorise}, {"cold", cold}, {"kept", kept}, {"warm", warm}});
}
