#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "optcore/runtime/hash.hpp"

namespace optcore::runtime {

/// One computation per key at a time: the first to join leads, the others wait for what it lands.
///
/// `Result` is default-constructible, copied to each follower, and destroyed by whoever holds the
/// flight last. A leader must land() or it blocks its followers until their time-out.
///
/// ```cpp
/// optcore::runtime::SingleFlight<int> flights;
/// const int argument = 6;
/// const auto key = optcore::runtime::hash(&argument, sizeof argument);
/// const auto [ticket, leads] = flights.join(key);
/// if (leads) {
///   flights.land(key, ticket, 7 * argument);
/// } else if (ticket->wait(std::chrono::seconds(1))) {
///   assert(ticket->result() == 42);
/// }
/// assert(leads && ticket->result() == 42);
/// ```
template <class Result>
class SingleFlight {
 public:
  class Flight {
   public:
    /// Waits at most `patience`; true when the flight has landed.
    bool wait(std::chrono::nanoseconds patience) {
      std::unique_lock lock(mutex_);
      return landed_there_.wait_for(lock, patience, [this] { return landed_; });
    }

    /// What the leader landed; call after wait() said true.
    [[nodiscard]] const Result& result() const noexcept { return result_; }

   private:
    friend SingleFlight;
    std::mutex mutex_;
    std::condition_variable landed_there_;
    std::thread::id leader_ = std::this_thread::get_id();
    bool landed_ = false;
    Result result_{};
  };

  using Ticket = std::shared_ptr<Flight>;

  /// @return the flight, and whether the caller leads it. A thread that joins its own flight (a
  /// function that calls itself with the same arguments) gets none: it computes by itself.
  [[nodiscard]] std::pair<Ticket, bool> join(Digest key) {
    const std::scoped_lock lock(mutex_);
    auto [at, is_new] = flights_.try_emplace(key);
    if (is_new) {
      at->second = std::make_shared<Flight>();
      return {at->second, true};
    }
    if (at->second->leader_ == std::this_thread::get_id()) return {nullptr, true};
    return {at->second, false};
  }

  /// Ends the flight: its followers get the result, later callers start a new one.
  void land(Digest key, const Ticket& ticket, Result result) {
    {
      const std::scoped_lock lock(mutex_);
      const auto at = flights_.find(key);
      if (at != flights_.end() && at->second == ticket) flights_.erase(at);
    }
    {
      const std::scoped_lock lock(ticket->mutex_);
      ticket->result_ = std::move(result);
      ticket->landed_ = true;
    }
    ticket->landed_there_.notify_all();
  }

 private:
  struct ByLow {
    std::size_t operator()(const Digest& key) const noexcept {
      return static_cast<std::size_t>(key.low);
    }
  };

  std::mutex mutex_;
  std::unordered_map<Digest, Ticket, ByLow> flights_;
};

}  // namespace optcore::runtime
