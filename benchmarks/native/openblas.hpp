#pragma once

#include <dlfcn.h>

#include <cstdlib>

/// OpenBLAS as the yardstick: opened at run time, on one thread. CMake finds SciPy's or the
/// system's library; OPTCORE_OPENBLAS names another.
namespace openblas {

using Dpotrf = void (*)(const char* uplo, const int* n, double* a, const int* lda, int* info);

/// dpotrf, or null where there is no library.
inline Dpotrf dpotrf() {
  static const Dpotrf found = []() -> Dpotrf {
    const char* path = std::getenv("OPTCORE_OPENBLAS");
#if defined(OPTCORE_OPENBLAS_PATH)
    if (path == nullptr) path = OPTCORE_OPENBLAS_PATH;
#endif
    void* const library = path == nullptr ? nullptr : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    const auto symbol = [&](const char* scipys, const char* plain) {
      void* const address = dlsym(library, scipys);
      return address != nullptr ? address : dlsym(library, plain);
    };
    const auto set_threads = reinterpret_cast<void (*)(int)>(
        symbol("scipy_openblas_set_num_threads", "openblas_set_num_threads"));
    if (set_threads != nullptr) set_threads(1);
    return reinterpret_cast<Dpotrf>(symbol("scipy_dpotrf_", "dpotrf_"));
  }();
  return found;
}

}  // namespace openblas
