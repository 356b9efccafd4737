#pragma once

#include <cstdlib>

/// Fails the program at the first allocation in its scope on this thread. A test includes
/// `support/allocation_guard.cpp` in its executable to have malloc watched.
namespace optcore {

class AllocationGuard {
 public:
  AllocationGuard() noexcept;
  ~AllocationGuard();
  AllocationGuard(const AllocationGuard&) = delete;
  AllocationGuard& operator=(const AllocationGuard&) = delete;

  /// Allocations seen in this scope so far.
  [[nodiscard]] static long count() noexcept;
};

}  // namespace optcore
