/// What areas/firmware.py measures, on the board: one JSON object a line. Numbers go out as
/// millionths, since the small printf has no floating point.

#include <cstdint>
#include <cstdio>

#include "inputs.hpp"
#include "mild.hpp"
#include "model.hpp"
#include "optcore/belief/discrete_filter.hpp"
#include "optcore/gp/model.hpp"
#include "optcore/mpc/compact.hpp"
#include "optcore/mpc/riccati.hpp"
#include "plain.hpp"
#include "small_mild.hpp"
#include "small_plain.hpp"
#include "small_state.hpp"
#include "state.hpp"

namespace {

using Controller = optcore::mpc::CondensedController<float>;
using Compact = optcore::mpc::CompactController<float>;
constexpr std::size_t mpc_bytes = Controller::workspace(plain::tables);
constexpr std::size_t small_bytes = Compact::workspace(small_plain::tables);
alignas(64) unsigned char memory[mpc_bytes > small_bytes ? mpc_bytes : small_bytes];
alignas(64) unsigned char gp_memory[optcore::gp::Model<float>::attached_workspace(model::tables)];
Controller mpc;
Compact small;
optcore::gp::Model<float> gp;
optcore::belief::DiscreteBayesFilter<float, 8> belief;

volatile std::uint32_t& systick(std::uint32_t offset) {
  return *reinterpret_cast<volatile std::uint32_t*>(0xE000E010u + offset);
}
std::uint32_t ticks() { return systick(8); }  // 24 bits, counts down
unsigned spent(std::uint32_t begin, std::uint32_t end) {
  return static_cast<unsigned>((begin - end) & 0xFFFFFFu) * TICK;
}

template <class Solver, class Tables>
bool cold(Solver& solver, const Tables& tables, const float* x0, const char* before,
          const char* name) {
  optcore::Arena arena(memory, sizeof memory);
  solver.attach(arena, tables);
  const std::uint32_t begin = ticks();
  const auto info = solver.solve(x0);
  const unsigned count = spent(begin, ticks());
  std::printf("%s\"%s\": %u", before, name, count);
  return info.status == optcore::Status::ok;
}

template <class Solver, class Tables>
void print_plan(Solver& solver, const char* name, const float* x0, const Tables& tables) {
  optcore::Arena arena(memory, sizeof memory);
  solver.attach(arena, tables);
  (void)solver.solve(x0);
  std::printf("{\"u_%s\": [", name);
  for (int i = 0; i < 40; ++i) {
    std::printf("%s%ld", i ? ", " : "", static_cast<long>(solver.value(i) * 1e6f));
  }
  std::puts("]}");
}

/// One stage of the backward recursion, 12 states and 4 inputs: the count of stages 2 .. 0 less
/// that of stages 1 .. 0, with the same terminal stage.
unsigned riccati_step() {
  using Riccati = optcore::mpc::Riccati<float, 12, 4>;
  alignas(64) static unsigned char room[48 * 1024];
  static const float none[3 * 16] = {};
  unsigned count[2];
  for (int stages = 1; stages <= 2; ++stages) {
    optcore::Arena arena(room, sizeof room);
    Riccati::Data data;
    Riccati riccati;
    data.attach(arena, {.nx = 12, .nu = 4, .horizon = stages, .rows = 0});
    riccati.attach(arena, data);
    if (arena.overflowed()) return 0;
    for (int k = 0; k <= stages; ++k) {
      data.set_hessian(k, Q, R, nullptr);
      if (k < stages) data.set_dynamics(k, A, B, nullptr);
    }
    const std::uint32_t begin = ticks();
    if (!riccati.factorise(data, none, none, stages)) return 0;
    count[stages - 1] = spent(begin, ticks());
  }
  return count[1] - count[0];
}

bool drive() {
  optcore::Arena arena(memory, mpc_bytes);
  mpc.attach(arena, mild::tables);
  float x[12], next[12];
  for (int i = 0; i < 12; ++i) x[i] = x0_mild[i];
  std::printf("{\"loop\": [");
  for (int t = 0; t < TURNS; ++t) {
    const std::uint32_t begin = ticks();
    const auto info = mpc.solve(x);
    std::printf("%s%u", t ? ", " : "", spent(begin, ticks()));
    if (info.status != optcore::Status::ok) return false;
    for (int i = 0; i < 12; ++i) {
      float s = 0;
      for (int j = 0; j < 12; ++j) s += A[i * 12 + j] * x[j];
      for (int j = 0; j < 4; ++j) s += B[i * 4 + j] * mpc.u(0, j);
      next[i] = s;
    }
    for (int i = 0; i < 12; ++i) x[i] = next[i];
  }
  std::puts("]}");
  return true;
}

}  // namespace

int main() {
  systick(4) = 0xFFFFFFu;
  systick(8) = 0;
  systick(0) = 5;
  bool ok = cold(mpc, plain::tables, x0_plain, "{\"cold\": {", "plain");
  ok = cold(mpc, state::tables, x0_state, ", ", "state") && ok;
  ok = cold(mpc, mild::tables, x0_mild, ", ", "mild") && ok;
  ok = cold(small, small_plain::tables, x0_plain, ", ", "compact plain") && ok;
  ok = cold(small, small_state::tables, x0_state, ", ", "compact state") && ok;
  ok = cold(small, small_mild::tables, x0_mild, ", ", "compact mild") && ok;
  std::printf("}, \"mpc_bytes\": %u, \"compact_bytes\": %u}\n",
              static_cast<unsigned>(mpc_bytes + sizeof mpc),
              static_cast<unsigned>(small_bytes + sizeof small));
  if (!ok) return 1;
  print_plan(mpc, "plain", x0_plain, plain::tables);
  print_plan(mpc, "state", x0_state, state::tables);
  print_plan(mpc, "mild", x0_mild, mild::tables);
  print_plan(small, "compact plain", x0_plain, small_plain::tables);
  print_plan(small, "compact state", x0_state, small_state::tables);
  print_plan(small, "compact mild", x0_mild, small_mild::tables);
  if (!drive()) return 2;

  const unsigned riccati = riccati_step();
  std::printf("{\"riccati\": %u}\n", riccati);
  if (riccati == 0) return 6;

  optcore::Arena arena(gp_memory, sizeof gp_memory);
  if (optcore::failed(gp.attach(arena, model::tables)) || arena.overflowed()) return 3;
  float mean[16], variance;
  std::uint32_t begin = ticks();
  for (int i = 0; i < 16; ++i)
    gp.predict({query + 3 * i, 1, 3, 3}, {mean + i, 1, 1, 1}, {&variance, 1});
  std::printf("{\"gp\": %u, \"gp_mean\": [", spent(begin, ticks()) / 16);
  for (int i = 0; i < 16; ++i) {
    std::printf("%s%ld", i ? ", " : "", static_cast<long>(mean[i] * 1e6f));
  }
  std::puts("]}");

  if (optcore::failed(belief.setup(optcore::MatrixView<const float>{transition, 8, 8, 8})))
    return 4;
  float logs[8] = {-1, -2, -0.5f, -3, -1, -2, -4, -1};
  begin = ticks();
  for (int t = 0; t < 64; ++t) {
    logs[t % 8] -= 0.1f;
    if (optcore::failed(belief.step({logs, 8}))) return 5;
  }
  std::printf("{\"belief\": %u}\n", spent(begin, ticks()) / 64);
  return 0;
}
