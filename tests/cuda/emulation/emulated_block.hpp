#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "block.hpp"

/// The block of cuda/src/block.hpp on the host: the threads of a phase one after the other, in an
/// order of the test's choice. Since threads of one phase must not depend on each other, every
/// order must give the same bits; a missing barrier shows as a difference between orders.
namespace optcore::emulation {

enum class Order { ascending, descending, shuffled };
inline constexpr Order orders[] = {Order::ascending, Order::descending, Order::shuffled};

class EmulatedBlock {
 public:
  EmulatedBlock(int index, int grid, int threads, std::size_t shared_bytes, Order order)
      : index_(index),
        grid_(grid),
        threads_(threads),
        order_(order),
        memory_(shared_bytes + Arena::alignment),
        shared_(align(memory_), shared_bytes) {
    // what nobody wrote is not zero on a device: NaN for floats, huge for indices
    std::memset(memory_.data(), 0xFF, memory_.size());
  }

  int threads() const { return threads_; }
  int index() const { return index_; }
  int grid() const { return grid_; }
  Arena& shared() { return shared_; }

  template <class F>
  void each(F f) {
    for (int i = 0; i < threads_; ++i) f(thread(i));
  }
  template <class T>
  T broadcast(const T& shared) {
    return shared;
  }
  int take(int* counter, int* slot) { return *slot = (*counter)++; }

 private:
  static unsigned char* align(std::vector<unsigned char>& memory) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    return memory.data() + (Arena::alignment - address % Arena::alignment) % Arena::alignment;
  }
  /// The i-th to run; 5 is prime to a power of two.
  int thread(int i) const {
    switch (order_) {
      case Order::ascending: return i;
      case Order::descending: return threads_ - 1 - i;
      default: return (5 * i + 3) % threads_;
    }
  }

  int index_, grid_, threads_;
  Order order_;
  std::vector<unsigned char> memory_;
  Arena shared_;
};

/// All blocks of a grid, one after the other, backwards when threads run backwards.
template <class Body, class Arguments>
void run_blocks(int grid, int threads, std::size_t shared_bytes, Order order, Body body,
                const Arguments& arguments) {
  for (int i = 0; i < grid; ++i) {
    EmulatedBlock block(order == Order::ascending ? i : grid - 1 - i, grid, threads, shared_bytes,
                        order);
    body(block, arguments);
  }
}

}  // namespace optcore::emulation
