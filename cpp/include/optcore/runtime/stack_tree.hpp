#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

namespace optcore::runtime {

/// What a thread was doing while a stack was on it.
enum class Activity : std::uint8_t { running, native, lock, sleep, io, interpreter_lock };
inline constexpr int activity_count = 6;

/// Sampled call stacks as a tree: a node is a frame below its parent, its time that of samples
/// which ended in it. Bounded: beyond `max_nodes` new stacks end in their deepest known frame.
class StackTree {
 public:
  struct Node {
    std::uint32_t parent;
    const void* code;
    int line;
    std::int64_t samples = 0;
    std::int64_t ns[activity_count] = {};
  };
  explicit StackTree(std::size_t max_nodes = 200'000) : max_nodes_(max_nodes) {
    nodes_.push_back({0, nullptr, 0});
  }

  /// The child of a node for a frame, made at need; `made` says so. The root is node 0.
  std::uint32_t child(std::uint32_t parent, const void* code, int line, bool& made) {
    made = false;
    const Key key{parent, code, line};
    if (const auto found = children_.find(key); found != children_.end()) return found->second;
    if (nodes_.size() >= max_nodes_) return parent;
    made = true;
    const auto index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({parent, code, line});
    children_.emplace(key, index);
    return index;
  }

  void add(std::uint32_t node, Activity activity, std::int64_t ns) {
    nodes_[node].samples += 1;
    nodes_[node].ns[static_cast<int>(activity)] += ns;
  }

  [[nodiscard]] const std::vector<Node>& nodes() const noexcept { return nodes_; }

 private:
  struct Key {
    std::uint32_t parent;
    const void* code;
    int line;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& k) const noexcept {
      std::uint64_t h = reinterpret_cast<std::uintptr_t>(k.code) ^
                        (std::uint64_t{k.parent} << 32 | static_cast<std::uint32_t>(k.line));
      h *= 0x9E3779B97F4A7C15ULL;
      return static_cast<std::size_t>(h ^ (h >> 29));
    }
  };
  std::size_t max_nodes_;
  std::vector<Node> nodes_;
  std::unordered_map<Key, std::uint32_t, Hash> children_;
};

}  // namespace optcore::runtime
