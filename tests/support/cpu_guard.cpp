/// Linked into test executables of one instruction set, but compiled for every CPU: ends the
/// process with "skipped" (77) where the CPU lacks that set. It runs before the static objects of
/// the other files, whose constructors already hold instructions of the set.

#include <unistd.h>

namespace {

bool runs() {
#if defined(OPTCORE_TESTS_NEED_avx2)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
#elif defined(OPTCORE_TESTS_NEED_avx512)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd");
#else
  return true;
#endif
}

[[gnu::constructor(101)]] void skip_where_it_cannot_run() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  if (runs()) return;
  constexpr char text[] = "skipped: this CPU lacks the instruction set of this build\n";
  static_cast<void>(!::write(STDOUT_FILENO, text, sizeof text - 1));
  ::_exit(77);
}

}  // namespace
