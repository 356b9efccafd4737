#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace optcore::runtime {

/// A small number for the calling thread, its own while it lives: which cache line is mine.
/// At most 64 threads have one; the others get -1. A forked child keeps only the caller's.
class ThreadIndex {
 public:
  static constexpr int count = 64;

  static int mine() noexcept {
    static thread_local ThreadIndex index;
    return index.value_;
  }

 private:
  ThreadIndex() noexcept {
    install_fork_handler();
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    while (~used != 0) {
      const int free = std::countr_one(used);
      if (used_.compare_exchange_weak(used, used | (std::uint64_t{1} << free),
                                      std::memory_order_acq_rel)) {
        value_ = free;
        return;
      }
    }
  }
  ~ThreadIndex() {
    if (value_ >= 0) used_.fetch_and(~(std::uint64_t{1} << value_), std::memory_order_acq_rel);
    value_ = -1;
  }

  static void install_fork_handler() noexcept {
#if defined(__unix__) || defined(__APPLE__)
    static const int installed = pthread_atfork(nullptr, nullptr, [] {
      const int own = mine();  // the other threads do not exist here
      used_.store(own < 0 ? 0 : std::uint64_t{1} << own, std::memory_order_relaxed);
    });
    static_cast<void>(installed);
#endif
  }

  static inline std::atomic<std::uint64_t> used_{0};
  int value_ = -1;
};

}  // namespace optcore::runtime
