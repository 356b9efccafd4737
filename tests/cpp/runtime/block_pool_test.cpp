#include "optcore/runtime/block_pool.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>
#include <vector>

namespace optcore::runtime {
namespace {

using Pool = BlockPool;

TEST(BlockPool, ClassesHoldWhatWasAskedForAndWasteAQuarterAtMost) {
  for (std::size_t bytes = 1; bytes < (std::size_t{1} << 40); bytes = bytes * 9 / 8 + 1) {
    const std::size_t held = Pool::bytes_of(Pool::class_of(bytes));
    ASSERT_GE(held, bytes);
    if (bytes > 64) {
      ASSERT_LE(4 * held, 5 * bytes + 4) << bytes;
    }
  }
  for (int i = 0; i < 120; ++i) ASSERT_EQ(Pool::class_of(Pool::bytes_of(i)), i);
}

TEST(BlockPool, AlignsAndReuses) {
  Pool pool({});
  Pool::Block* small = pool.acquire(1000);
  Pool::Block* large = pool.acquire(std::size_t{8} << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small->data) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large->data) % Pool::huge_page, 0U);
  void* const before = large->data;
  std::memset(large->data, 1, large->bytes);
  pool.release(large);
  Pool::Block* again = pool.acquire((std::size_t{8} << 20) - 5);
  EXPECT_EQ(again->data, before);
  EXPECT_EQ(pool.statistics().hits, 1);
  EXPECT_EQ(pool.statistics().misses, 2);
  pool.release(small);
  pool.release(again);
  EXPECT_EQ(pool.statistics().idle_blocks, 2);
  EXPECT_GE(pool.trim(), std::int64_t{8} << 20);
  EXPECT_EQ(pool.statistics().idle_bytes, 0);
}

TEST(BlockPool, KeepsNoMoreThanItsLimits) {
  Pool pool({.max_idle_blocks = 2, .max_idle_bytes = 3000});
  std::vector<Pool::Block*> out;
  for (int i = 0; i < 5; ++i) out.push_back(pool.acquire(1024));
  for (auto* block : out) pool.release(block);
  EXPECT_EQ(pool.statistics().idle_blocks, 2);
  pool.release(pool.acquire(1024));
  pool.release(pool.acquire(100'000));  // beyond the bytes: freed at once
  EXPECT_EQ(pool.statistics().idle_bytes, 2048);
}

TEST(BlockPool, RefusesWhatNobodyHas) {
  Pool pool({});
  EXPECT_EQ(pool.acquire(Pool::largest + 1), nullptr);
  EXPECT_EQ(pool.acquire(Pool::largest), nullptr);  // 64 TiB of address space
}

TEST(BlockPool, AForkedChildOwnsCopies) {
  Pool pool({});
  Pool::Block* block = pool.acquire(4096);
  std::memset(block->data, 7, 4096);
  std::thread([&] { pool.release(pool.acquire(4096)); }).join();
  const pid_t child = fork();
  if (child == 0) {
    std::memset(block->data, 9, 4096);
    Pool::Block* own = pool.acquire(4096);
    const bool apart = own != nullptr && own->data != block->data;
    pool.release(own);
    pool.release(block);
    pool.trim();
    _exit(apart ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(static_cast<char*>(block->data)[0], 7);
  pool.release(block);
}

// Each holder writes its name all over its block and finds it untouched when it returns it.
TEST(BlockPool, EightThreadsNeverShareABlock) {
  Pool pool({.max_idle_blocks = 40});
  constexpr int threads = 8, rounds = 1'000'000;
  std::atomic<int> stolen{0};
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      Pool::Block* held[3] = {};
      std::uint32_t random = 17U * static_cast<std::uint32_t>(t) + 1U;
      for (int i = 0; i < rounds; ++i) {
        random = random * 1664525U + 1013904223U;
        Pool::Block*& block = held[(random >> 16) % 3];
        if (block != nullptr) {
          const auto* words = static_cast<int*>(block->data);
          if (words[0] != t || words[15] != t) stolen.fetch_add(1);
          pool.release(block);
        }
        block = pool.acquire(64 + (random >> 28) * 16);
        static_cast<int*>(block->data)[0] = static_cast<int*>(block->data)[15] = t;
        if (i % 100'000 == 0) pool.trim();
      }
      for (auto* block : held) {
        if (block != nullptr) pool.release(block);
      }
    });
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(stolen.load(), 0);
  const auto s = pool.statistics();
  EXPECT_EQ(s.hits + s.misses, std::int64_t{threads} * rounds);
  EXPECT_LE(s.idle_blocks, 40);
  pool.trim();
  EXPECT_EQ(pool.statistics().idle_blocks, 0);
  EXPECT_EQ(pool.statistics().idle_bytes, 0);
}

}  // namespace
}  // namespace optcore::runtime
