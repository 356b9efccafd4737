#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "optcore/runtime/thread_index.hpp"

namespace optcore::runtime {

struct BlockPoolOptions {
  std::int64_t max_idle_blocks = 1000;
  std::int64_t max_idle_bytes = std::int64_t{500} << 20;
  bool huge_pages = true;  ///< ask for 2 MiB pages for blocks of 1 MiB and more
  bool lock = false;       ///< keep new blocks in memory (mlock); failure is counted, not fatal
  bool prefault = false;   ///< touch each page of a new block once, on the thread that asked
};

/// Keeps returned memory for the next who asks: no page fault, no system call, no lock.
///
/// Sizes are rounded up to four classes per power of two. Blocks below 1 MiB are aligned to 64
/// bytes; larger ones are mapped, aligned to 2 MiB. A returned block waits in its thread's slot,
/// the one it pushes out in a list shared by all threads (Treiber's stack, with a tag against ABA).
///
/// acquire() and release() may be called from any thread. A forked child owns copies of all blocks.
///
/// ```cpp
/// optcore::runtime::BlockPool pool({});
/// auto* block = pool.acquire(100'000);
/// assert(block != nullptr && block->bytes >= 100'000);
/// void* const data = block->data;
/// pool.release(block);
/// block = pool.acquire(100'000);  // the same memory, its pages touched already
/// assert(block->data == data);
/// pool.release(block);
/// ```
class BlockPool {
 public:
  struct Block {
    void* data = nullptr;
    std::size_t bytes = 0;  // usable, at least what was asked for
    std::uint32_t index = 0;
    int size_class = 0;
    bool mapped = false;
    std::atomic<std::uint32_t> next{0};
  };
  struct Statistics {
    std::int64_t idle_blocks, idle_bytes, hits, misses, unlocked;
  };
  static constexpr std::size_t mapped_from = std::size_t{1} << 20;
  static constexpr std::size_t huge_page = std::size_t{2} << 20;
  static constexpr std::size_t largest = std::size_t{1} << 46;

  explicit BlockPool(const BlockPoolOptions& options) : options_(options) {}
  /// Frees what is idle. Blocks still out must have been returned before.
  ~BlockPool() {
    trim();
    for (auto& chunk : chunks_) delete[] chunk.load(std::memory_order_relaxed);
  }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /// @return a block of at least `bytes`, content undefined; nullptr when there is no memory even
  ///         after everything idle was given back.
  [[nodiscard]] Block* acquire(std::size_t bytes) noexcept {
    if (bytes > largest) return nullptr;
    const int size_class = class_of(bytes);
    std::uint32_t found = 0;
    const int thread = ThreadIndex::mine();
    if (thread >= 0) found = slot(thread, size_class).exchange(0, std::memory_order_acquire);
    if (found == 0) found = pop(shared_[size_class]);
    if (found != 0) {
      Block* block = at(found);
      idle_blocks_.fetch_sub(1, std::memory_order_relaxed);
      idle_bytes_.fetch_sub(static_cast<std::int64_t>(block->bytes), std::memory_order_relaxed);
      hits_.fetch_add(1, std::memory_order_relaxed);
      return block;
    }
    misses_.fetch_add(1, std::memory_order_relaxed);
    return create(size_class);
  }

  /// Takes a block back; frees it when enough is idle already.
  void release(Block* block) noexcept {
    const auto bytes = static_cast<std::int64_t>(block->bytes);
    const bool full =
        idle_blocks_.fetch_add(1, std::memory_order_relaxed) >= options_.max_idle_blocks ||
        idle_bytes_.load(std::memory_order_relaxed) + bytes > options_.max_idle_bytes;
    if (full) {
      idle_blocks_.fetch_sub(1, std::memory_order_relaxed);
      discard(block);
      return;
    }
    idle_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    std::uint32_t index = block->index;
    const int thread = ThreadIndex::mine();
    if (thread >= 0) {
      index = slot(thread, block->size_class).exchange(index, std::memory_order_acq_rel);
    }
    if (index != 0) push(shared_[at(index)->size_class], index);
  }

  /// Frees a block instead of keeping it.
  void discard(Block* block) noexcept {
    if (block->mapped) {
      ::munmap(block->data, block->bytes);
    } else {
      std::free(block->data);
    }
    block->data = nullptr;
    push(headers_, block->index);
  }

  /// Gives all idle memory back. @return bytes.
  std::int64_t trim() noexcept {
    std::int64_t freed = 0;
    const auto drop = [&](std::uint32_t index) {
      Block* block = at(index);
      const auto bytes = static_cast<std::int64_t>(block->bytes);
      idle_blocks_.fetch_sub(1, std::memory_order_relaxed);
      idle_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
      freed += bytes;
      discard(block);
    };
    for (int size_class = 0; size_class < classes; ++size_class) {
      for (int thread = 0; thread < ThreadIndex::count; ++thread) {
        const auto index = slot(thread, size_class).exchange(0, std::memory_order_acq_rel);
        if (index != 0) drop(index);
      }
      while (const std::uint32_t index = pop(shared_[size_class])) drop(index);
    }
    return freed;
  }

  [[nodiscard]] Statistics statistics() const noexcept {
    return {idle_blocks_.load(), idle_bytes_.load(), hits_.load(), misses_.load(),
            unlocked_.load()};
  }

  /// Class of a size: 64, 80, 96, 112, 128, 160, … bytes.
  [[nodiscard]] static constexpr int class_of(std::size_t bytes) noexcept {
    if (bytes <= 64) return 0;
    const int power =
        static_cast<int>(std::bit_width(bytes - 1)) - 1;  // 2^power < bytes <= 2^(power+1)
    const std::size_t step = std::size_t{1} << (power - 2);
    const auto quarter = static_cast<int>((bytes - (std::size_t{1} << power) + step - 1) / step);
    return (power - 6) * 4 + quarter;
  }
  [[nodiscard]] static constexpr std::size_t bytes_of(int size_class) noexcept {
    const int power = 6 + size_class / 4;
    return (std::size_t{1} << power) + (std::size_t{1} << (power - 2)) * (size_class % 4);
  }

 private:
  static constexpr int classes = 164;
  static constexpr std::uint32_t chunk_size = 1024, chunk_count = 16384;
  using Stack = std::atomic<std::uint64_t>;  // tag in the upper half, index below; 0 = empty

  std::atomic<std::uint32_t>& slot(int thread, int size_class) noexcept {
    return slots_[static_cast<std::size_t>(thread)][static_cast<std::size_t>(size_class)];
  }
  Block* at(std::uint32_t index) noexcept {
    return &chunks_[(index - 1) / chunk_size].load(
        std::memory_order_acquire)[(index - 1) % chunk_size];
  }

  void push(Stack& stack, std::uint32_t index) noexcept {
    std::uint64_t head = stack.load(std::memory_order_relaxed), next = 0;
    do {
      at(index)->next.store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
      next = ((head >> 32) + 1) << 32 | index;
    } while (!stack.compare_exchange_weak(head, next, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
  }
  std::uint32_t pop(Stack& stack) noexcept {
    std::uint64_t head = stack.load(std::memory_order_acquire), next = 0;
    do {
      const auto index = static_cast<std::uint32_t>(head);
      if (index == 0) return 0;
      // may be stale, then the tag has moved and the exchange fails; headers are never freed
      next = ((head >> 32) + 1) << 32 | at(index)->next.load(std::memory_order_relaxed);
    } while (!stack.compare_exchange_weak(head, next, std::memory_order_acq_rel,
                                          std::memory_order_acquire));
    return static_cast<std::uint32_t>(head);
  }

  Block* new_header() noexcept {
    if (const std::uint32_t index = pop(headers_)) return at(index);
    const std::uint32_t index = made_.fetch_add(1, std::memory_order_relaxed) + 1;
    const std::uint32_t chunk = (index - 1) / chunk_size;
    if (chunk >= chunk_count) return nullptr;
    if (chunks_[chunk].load(std::memory_order_acquire) == nullptr) {
      auto* fresh = new (std::nothrow) Block[chunk_size];
      if (fresh == nullptr) return nullptr;
      Block* none = nullptr;
      if (!chunks_[chunk].compare_exchange_strong(none, fresh)) delete[] fresh;
    }
    Block* block = at(index);
    block->index = index;
    return block;
  }

  Block* create(int size_class) noexcept {
    Block* block = new_header();
    if (block == nullptr) return nullptr;
    const std::size_t bytes = bytes_of(size_class);
    block->mapped = bytes >= mapped_from;
    block->size_class = size_class;
    block->bytes =
        block->mapped ? (bytes + huge_page - 1) / huge_page * huge_page : (bytes + 63) / 64 * 64;
    block->data = allocate(*block);
    if (block->data == nullptr && trim() > 0) block->data = allocate(*block);
    if (block->data == nullptr) {
      push(headers_, block->index);
      return nullptr;
    }
    prepare(*block);
    return block;
  }

  void* allocate(const Block& block) noexcept {
    if (!block.mapped) return std::aligned_alloc(64, block.bytes);
    const std::size_t asked = block.bytes + huge_page;
    void* start =
        ::mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return nullptr;
    auto* first = static_cast<char*>(start);
    const std::size_t before =
        (huge_page - reinterpret_cast<std::uintptr_t>(first) % huge_page) % huge_page;
    if (before > 0) ::munmap(first, before);
    if (before < huge_page) ::munmap(first + before + block.bytes, huge_page - before);
    return first + before;
  }

  void prepare(const Block& block) noexcept {
#if defined(MADV_HUGEPAGE)
    if (block.mapped && options_.huge_pages) ::madvise(block.data, block.bytes, MADV_HUGEPAGE);
#endif
    if (options_.lock && ::mlock(block.data, block.bytes) != 0) {
      unlocked_.fetch_add(1, std::memory_order_relaxed);
    }
    if (options_.prefault) {
      auto* bytes = static_cast<volatile char*>(block.data);
      for (std::size_t i = 0; i < block.bytes; i += 4096) bytes[i] = 0;
    }
  }

  BlockPoolOptions options_;
  std::array<Stack, classes> shared_{};
  Stack headers_{0};
  std::atomic<std::uint32_t> made_{0};
  std::array<std::atomic<Block*>, chunk_count> chunks_{};
  alignas(64) std::atomic<std::int64_t> idle_blocks_{0};
  std::atomic<std::int64_t> idle_bytes_{0}, hits_{0}, misses_{0}, unlocked_{0};
  alignas(64) std::array<std::array<std::atomic<std::uint32_t>, 192>, ThreadIndex::count> slots_{};
};

}  // namespace optcore::runtime
