#include "support/allocation_guard.hpp"

#include <gtest/gtest.h>

#include <cstddef>

// glibc's own entry points; sanitizers replace malloc themselves, so they keep theirs.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}
#define OPTCORE_WATCH_MALLOC 1
#endif

namespace {
thread_local int guards = 0;
thread_local long allocations = 0;
inline void note() noexcept {
  if (guards > 0) ++allocations;
}
}  // namespace

#if defined(OPTCORE_WATCH_MALLOC)
extern "C" {
void* malloc(std::size_t n) { return note(), __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t m) { return note(), __libc_calloc(n, m); }
void* realloc(void* p, std::size_t n) { return note(), __libc_realloc(p, n); }
void* aligned_alloc(std::size_t a, std::size_t n) { return note(), __libc_memalign(a, n); }
void free(void* p) { __libc_free(p); }
}
#endif

namespace optcore {

AllocationGuard::AllocationGuard() noexcept {
  if (guards++ == 0) allocations = 0;
}

AllocationGuard::~AllocationGuard() {
  if (--guards == 0) {
    const long seen = allocations;
    EXPECT_EQ(seen, 0) << "a call that must not allocate did";
  }
}

long AllocationGuard::count() noexcept { return allocations; }

}  // namespace optcore
