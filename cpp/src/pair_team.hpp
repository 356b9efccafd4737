#pragma once

#include <atomic>
#include <system_error>
#include <thread>

#include "optcore/core/team.hpp"

namespace optcore::host {

/// A team of the caller and one thread, which lives as long as this object: for long set-up work
/// that asked for it. A split is fixed beforehand, so nobody waits for work to be handed out; each
/// waits for the other at the end of a part, a moment by spinning, then asleep.
class PairTeam {
 public:
  /// @param threads  1, or 2 where a second one can be had
  explicit PairTeam(int threads) noexcept {
    if (threads < 2) return;
    try {
      helper_ = std::thread([this] { help(); });
    } catch (const std::system_error&) {  // alone then
    }
  }
  ~PairTeam() {
    if (!helper_.joinable()) return;
    part_ = nullptr;
    announce(given_);
    helper_.join();
  }
  PairTeam(const PairTeam&) = delete;
  PairTeam& operator=(const PairTeam&) = delete;

  [[nodiscard]] Team team() noexcept {
    if (!helper_.joinable()) return {};
    return {.size = 2, .run = run, .self = this};
  }

 private:
  using Part = void (*)(void* work, int index);

  static void run(void* self, Part part, void* work) {
    auto& pair = *static_cast<PairTeam*>(self);
    pair.part_ = part;
    pair.work_ = work;
    announce(pair.given_);
    part(work, 0);
    await(pair.done_, pair.given_.load(std::memory_order_relaxed));
  }
  void help() noexcept {
    for (unsigned turn = 1;; ++turn) {
      await(given_, turn);
      if (part_ == nullptr) return;
      part_(work_, 1);
      announce(done_);
    }
  }
  static void announce(std::atomic<unsigned>& count) noexcept {
    count.fetch_add(1, std::memory_order_release);
    count.notify_one();
  }
  static void await(std::atomic<unsigned>& count, unsigned wanted) noexcept {
    constexpr int patience = 2000;
    for (int i = 0; i < patience; ++i) {
      if (count.load(std::memory_order_acquire) == wanted) return;
    }
    for (unsigned seen; (seen = count.load(std::memory_order_acquire)) != wanted;) {
      count.wait(seen, std::memory_order_acquire);
    }
  }

  alignas(64) std::atomic<unsigned> given_{0};
  alignas(64) std::atomic<unsigned> done_{0};
  Part part_ = nullptr;
  void* work_ = nullptr;
  std::thread helper_;
};

}  // namespace optcore::host
