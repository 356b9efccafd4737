#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/math.hpp"

/// How the kernels are written, so that one source runs on a device and, thread by thread, on a
/// host: as phases. `block.each(f)` calls f(t) for every thread t of the block and ends with a
/// barrier; within a phase no thread may read what another writes. What is the same for all
/// threads stands between phases and reads shared memory through `block.broadcast()`, which ends
/// with a barrier too. Numbers that outlive a phase lie in shared or global memory.
///
/// A Block has threads(), a power of two; index() and grid(), its number and how many there are;
/// shared(), an Arena over its shared memory; take(counter), the next item of a queue that all
/// blocks draw from, so that a long item holds up nobody. Device: device_block.cuh; host:
/// tests/cuda/emulation/emulated_block.hpp.
#if defined(__CUDACC__)
#define OPTCORE_DEVICE __device__
#else
#define OPTCORE_DEVICE
#endif

namespace optcore::cuda {

/// f(i) for each i of 0 .. count - 1, dealt out to the threads; neighbours to neighbours.
template <class Block, class F>
OPTCORE_DEVICE void for_all(Block& block, int count, F f) {
  const int step = block.threads();
  block.each([&](int t) {
    for (int i = t; i < count; i += step) f(i);
  });
}

/// op over f(t) of all threads, in a fixed tree.
/// @param scratch (threads,) shared
template <class T, class Block, class F, class Op>
OPTCORE_DEVICE T reduce(Block& block, T* scratch, F f, Op op) {
  block.each([&](int t) { scratch[t] = f(t); });
  for (int half = block.threads() / 2; half > 0; half /= 2) {
    block.each([&](int t) {
      if (t < half) scratch[t] = op(scratch[t], scratch[t + half]);
    });
  }
  return block.broadcast(scratch[0]);
}

template <class T, class Block, class F>
OPTCORE_DEVICE T sum_of(Block& block, T* scratch, F f) {
  return reduce(block, scratch, f, [](T a, T b) { return a + b; });
}

template <class T, class Block, class F>
OPTCORE_DEVICE T largest_of(Block& block, T* scratch, F f) {
  return reduce(block, scratch, f, [](T a, T b) { return max(a, b); });
}

/// Running sums of `values` (threads,), in place; returns the total.
/// @param spare (threads,) shared   Source: Hillis & Steele, CACM 29(12) (1986).
template <class T, class Block>
OPTCORE_DEVICE T running_sum(Block& block, T* values, T* spare) {
  T *from = values, *to = spare;
  for (int reach = 1; reach < block.threads(); reach *= 2) {
    block.each([&](int t) { to[t] = t >= reach ? from[t] + from[t - reach] : from[t]; });
    T* const other = from;
    from = to;
    to = other;
  }
  if (from != values) block.each([&](int t) { values[t] = from[t]; });
  return block.broadcast(values[block.threads() - 1]);
}

}  // namespace optcore::cuda
