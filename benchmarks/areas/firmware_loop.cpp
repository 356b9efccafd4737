/// The exported program in closed loop on the board: what it needs of flash, memory and stack. With
/// REPORT it prints, else it is the program alone, whose sections are counted.

#include <cstdint>

#include "inputs.hpp"
#include "optcore_step.h"
#ifdef REPORT
#include <cstdio>
#endif

namespace {

/// The stack below is painted; what a call has used of it has lost its paint.
constexpr std::uint32_t paint = 0xC0FFEE11u;
constexpr int painted = 16 * 1024 / 4;

[[gnu::always_inline]] inline volatile std::uint32_t* stack_pointer() {
  volatile std::uint32_t* top;
  asm volatile("mov %0, sp" : "=r"(top));
  return top;
}

}  // namespace

int main() {
  auto* const systick = reinterpret_cast<volatile std::uint32_t*>(0xE000E010u);
  systick[1] = 0xFFFFFFu;
  systick[2] = 0;
  systick[0] = 5;
  optcore_input in = {};
  optcore_output out = {};
  if (optcore_init() != 0) return 1;
  for (int i = 0; i < OPTCORE_STATES; ++i) in.x[i] = x0[i];
  unsigned deepest = 0, longest = 0;
  for (int t = 0; t < TURNS; ++t) {
    for (int i = 0; i < OPTCORE_DIMS; ++i) in.query[i] = 0.1f * in.x[i];
    for (int i = 0; i < OPTCORE_HYPOTHESES; ++i) {
      in.log_likelihood[i] = -0.5f * static_cast<float>((i + t) % OPTCORE_HYPOTHESES);
    }
    volatile std::uint32_t* const top = stack_pointer();
    for (int i = 1; i <= painted; ++i) top[-i] = paint;
    const std::uint32_t begin = systick[2];
    const int status = optcore_step(&in, &out);
    const unsigned count = ((begin - systick[2]) & 0xFFFFFFu) * TICK;
    int unused = painted;
    while (unused > 0 && top[-unused] == paint) --unused;
    const unsigned stack = 4 * static_cast<unsigned>(unused);
    if (stack > deepest) deepest = stack;
    if (count > longest) longest = count;
    if (status != 0) return 2;
    float next[OPTCORE_STATES];
    for (int i = 0; i < OPTCORE_STATES; ++i) {
      next[i] = i == OPTCORE_PUSHED ? out.mean[0] * OPTCORE_PUSH : 0.0f;
      for (int j = 0; j < OPTCORE_STATES; ++j) next[i] += A[i * OPTCORE_STATES + j] * in.x[j];
      for (int j = 0; j < OPTCORE_INPUTS; ++j) next[i] += B[i * OPTCORE_INPUTS + j] * out.u[j];
    }
    for (int i = 0; i < OPTCORE_STATES; ++i) in.x[i] = next[i];
  }
  float away = 0;  // it was driven to the goal
  for (float x : in.x) away = x > away ? x : (-x > away ? -x : away);
#ifdef REPORT
  std::printf("{\"stack\": %u, \"worst\": %u, \"static\": %u, \"away\": %d}\n", deepest, longest,
              static_cast<unsigned>(optcore_workspace()), static_cast<int>(away * 1e6f));
#endif
  return away < 0.2f ? 0 : 3;
}
