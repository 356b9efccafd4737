/// What the probes share: one call that callgrind counts, chosen by name on the command line.

#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "optcore/core/status.hpp"

namespace optcore::probe {

/// What callgrind toggles on; a name of its own that no optimiser may take away.
template <class Work>
[[gnu::noinline]] Status probed(Work work) {
  return work();
}

struct Call {
  const char* name;
  Status (*run)(int size);
};

/// Runs the call that argv names, `NAME SIZE`; the exit status.
inline int run(int argc, char** argv, std::initializer_list<Call> calls) {
  const int size = argc == 3 ? std::atoi(argv[2]) : 0;
  Status status = Status::invalid_argument;
  for (const Call& call : calls) {
    if (size > 0 && std::strcmp(argv[1], call.name) == 0) status = call.run(size);
  }
  if (!failed(status)) return 0;
  std::fprintf(stderr, "%s: %s\n", argv[0], to_string(status));
  return 1;
}

}  // namespace optcore::probe
