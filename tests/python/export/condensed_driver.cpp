/// Answers of mpc::CondensedController to problems from standard input, for
/// test_condensed_controller.py: integers and numbers of type SCALAR in, text out.

#include <cstdio>
#include <cstdlib>

#include "optcore/mpc/condensed.hpp"

namespace {

using T = SCALAR;

template <class Number>
Number* read(int count) {
  auto* p = static_cast<Number*>(std::aligned_alloc(64, (sizeof(Number) * count + 127) / 64 * 64));
  if (std::fread(p, sizeof(Number), count, stdin) != static_cast<std::size_t>(count)) std::exit(9);
  return p;
}

}  // namespace

int main() {
  int sizes[9];  // states, inputs, horizon, disturbances, values, stride, capacity, solves, guard
  while (std::fread(sizes, sizeof(int), 9, stdin) == 9) {
    const int measured = sizes[0] + sizes[3], stride = sizes[5];
    const T* response = read<T>(measured * stride);
    const T* offset = read<T>(stride);
    const T* low = read<T>(stride);
    const T* high = read<T>(stride);
    const T* gram = read<T>(sizes[4] * stride);
    const T* unit = read<T>(stride);
    const optcore::CondensedTables<T> tables = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4],
                                                stride,   sizes[6], response, offset,   low,
                                                high,     gram,     unit};
    const std::size_t bytes = optcore::mpc::CondensedController<T>::workspace(tables);
    auto* memory = static_cast<unsigned char*>(std::aligned_alloc(64, bytes + 64));
    for (int i = 0; i < 64; ++i) memory[bytes + i] = 0xA5;  // nobody may write here
    optcore::mpc::CondensedController<T> mpc;
    optcore::Arena arena(memory, bytes);
    mpc.attach(arena, tables);
    for (int t = 0; t < sizes[7]; ++t) {
      const T* x0 = read<T>(measured);
      const auto info = mpc.solve(x0, x0 + sizes[0]);
      std::printf("%d", static_cast<int>(info.status));
      for (int i = 0; i < sizes[4]; ++i) std::printf(" %.17g", static_cast<double>(mpc.value(i)));
      std::puts("");
    }
    for (int i = 0; i < 64; ++i) {
      if (memory[bytes + i] != 0xA5) return 8;
    }
  }
  return 0;
}
