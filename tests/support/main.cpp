#include <gtest/gtest.h>

#include <cstdio>

#include "optcore/core/config.hpp"

// Like gtest_main, but a build for an instruction set this CPU lacks reports "skipped" (77).
int main(int argc, char** argv) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool runs = optcore::this_isa == optcore::Isa::generic ||
                    (optcore::this_isa == optcore::Isa::avx2 && __builtin_cpu_supports("avx2") &&
                     __builtin_cpu_supports("fma")) ||
                    (optcore::this_isa == optcore::Isa::avx512 &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
  if (!runs) {
    std::puts("skipped: this CPU lacks the instruction set of this build");
    return 77;
  }
#endif
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
