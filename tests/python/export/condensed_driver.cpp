/// Answers of mpc::CondensedController, or with COMPACT of mpc::CompactController, to problems from
/// standard input, for test_condensed_controller.py: integers and numbers of type SCALAR in, text
/// out.

#include <cstdio>
#include <cstdlib>

#include "optcore/mpc/compact.hpp"

namespace {

using T = SCALAR;

template <class Number>
Number* read(int count) {
  auto* p = static_cast<Number*>(std::aligned_alloc(64, (sizeof(Number) * count + 127) / 64 * 64));
  if (std::fread(p, sizeof(Number), count, stdin) != static_cast<std::size_t>(count)) std::exit(9);
  return p;
}

#ifdef COMPACT
using Controller = optcore::mpc::CompactController<T>;

/// states, inputs, horizon, disturbances, values, stride, capacity, models, solves
constexpr int counts = 9;
optcore::CompactTables<T> tables_from(const int* s) {
  const int n = s[0], m = s[1], inputs = s[2] * m, stride = s[5], models = s[7];
  const T* response = read<T>((n + s[3]) * inputs);
  const T* offset = read<T>(inputs);
  const T* inverse = read<T>(inputs * inputs);
  const T* model = read<T>(models * n * (n + m));
  const T* drift = read<T>(models * n);
  const T* disturbance = read<T>(n * s[3]);
  const T* low = read<T>(stride);
  const T* high = read<T>(stride);
  const T* unit = read<T>(n + m);
  return {n,      m,       s[2],  s[3],  s[4],        stride, s[6], models, response,
          offset, inverse, model, drift, disturbance, low,    high, unit};
}
#else
using Controller = optcore::mpc::CondensedController<T>;

/// states, inputs, horizon, disturbances, values, stride, capacity, solves
constexpr int counts = 8;
optcore::CondensedTables<T> tables_from(const int* s) {
  const int measured = s[0] + s[3], stride = s[5];
  const T* response = read<T>(measured * stride);
  const T* offset = read<T>(stride);
  const T* low = read<T>(stride);
  const T* high = read<T>(stride);
  const T* gram = read<T>(s[4] * stride);
  const T* unit = read<T>(stride);
  return {s[0], s[1], s[2], s[3], s[4], stride, s[6], response, offset, low, high, gram, unit};
}
#endif

}  // namespace

int main() {
  int sizes[counts];
  while (std::fread(sizes, sizeof(int), counts, stdin) == counts) {
    const auto tables = tables_from(sizes);
    const std::size_t bytes = Controller::workspace(tables);
    auto* memory = static_cast<unsigned char*>(std::aligned_alloc(64, bytes + 64));
    for (int i = 0; i < 64; ++i) memory[bytes + i] = 0xA5;  // nobody may write here
    Controller mpc;
    optcore::Arena arena(memory, bytes);
    mpc.attach(arena, tables);
    for (int t = 0; t < sizes[counts - 1]; ++t) {
      const T* x0 = read<T>(tables.states + tables.disturbances);
      const auto info = mpc.solve(x0, x0 + tables.states);
      std::printf("%d", static_cast<int>(info.status));
      for (int i = 0; i < tables.values; ++i) {
        std::printf(" %.17g", static_cast<double>(mpc.value(i)));
      }
      std::puts("");
    }
    for (int i = 0; i < 64; ++i) {
      if (memory[bytes + i] != 0xA5) return 8;
    }
  }
  return 0;
}
