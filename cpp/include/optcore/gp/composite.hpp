#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/status.hpp"
#include "optcore/gp/detail/kernel_terms.hpp"
#include "optcore/gp/kernel_node.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

/// A covariance function of sums and products, evaluated term by term on runs of points that stay
/// in the first-level cache; derivatives by the reverse rule over the same nodes. Inputs are not
/// scaled. The caller's arrays are copied by set().
template <class T>
class CompositeKernel {
 public:
  static constexpr int run = detail::term_points;

  OPTCORE_HD constexpr void bind(Arena& arena, int parameters) noexcept {
    capacity_ = parameters;
    parameters_ = arena.array<T>(static_cast<std::size_t>(parameters));
  }

  /// @param nodes in postfix  @param dims inputs of the points
  /// @return capacity_exceeded, invalid_argument (no tree, a parameter out of range)
  [[nodiscard]] OPTCORE_HD Status set(VectorView<const KernelNode> nodes,
                                      VectorView<const T> parameters, int dims) noexcept {
    if (nodes.size > max_kernel_nodes || parameters.size > capacity_) {
      return Status::capacity_exceeded;
    }
    const Status checked = check(nodes, parameters, dims);
    if (failed(checked)) return checked;
    int stack[max_kernel_nodes], depth = 0;
    for (int n = 0; n < nodes.size; ++n) {
      nodes_[n] = nodes[n];
      left_[n] = right_[n] = -1;
      if (is_operator(nodes[n].kind)) {
        right_[n] = stack[--depth];
        left_[n] = stack[--depth];
      }
      stack[depth++] = n;
    }
    count_ = nodes.size;
    size_ = parameters.size;
    for (int p = 0; p < size_; ++p) parameters_[p] = parameters[p];
    return Status::ok;
  }

  [[nodiscard]] OPTCORE_HD int parameters() const noexcept { return size_; }

  /// k(x_i, query) of points [first, first + count), count <= run and whole registers.
  /// @param self  index of the query among the points of x, for white noise; -1: none of them
  OPTCORE_HD void values(ScaledInputs<const T> x, int first, int count, const T* query, int self,
                         T* out) const noexcept {
    Workspace all;
    forward({x, first, count, query, self}, all);
    for (int i = 0; i < count; ++i) out[i] = all[count_ - 1][i];
  }

  /// Adds sum_i weights[i] dk(x_i, query)/d. to `parameters` (as stored) and to `input` (d/d
  /// query); either may be null.
  OPTCORE_HD void add_slopes(ScaledInputs<const T> x, int first, int count, const T* query,
                             int self, const T* weights, T* parameters, T* input) const noexcept {
    const detail::TermRun<T> points{x, first, count, query, self};
    Workspace value, slope;
    forward(points, value);
    for (int i = 0; i < count; ++i) slope[count_ - 1][i] = weights[i];
    for (int n = count_ - 1; n >= 0; --n) {
      const T* const above = slope[n];
      if (is_operator(nodes_[n].kind)) {
        const int l = left_[n], r = right_[n];
        const bool product = nodes_[n].kind == KernelKind::product;
        for (int i = 0; i < count; ++i) {
          slope[l][i] = product ? above[i] * value[r][i] : above[i];
          slope[r][i] = product ? above[i] * value[l][i] : above[i];
        }
      } else {
        T* const own = parameters == nullptr ? nullptr : parameters + nodes_[n].parameters;
        detail::with_term(nodes_[n], parameters_,
                          [&](auto term) { term.slopes(points, above, value[n], {own, input}); });
      }
    }
  }

  /// k(x, x)
  [[nodiscard]] OPTCORE_HD T diagonal(const T* x) const noexcept {
    T value[max_kernel_nodes];
    diagonal_values(x, value);
    return value[count_ - 1];
  }

  /// d k(x, x) / d x[f] into `slopes` (d,): only linear terms have any.
  OPTCORE_HD void diagonal_slopes(const T* x, int dims, T* slopes) const noexcept {
    T value[max_kernel_nodes], slope[max_kernel_nodes];
    diagonal_values(x, value);
    for (int f = 0; f < dims; ++f) slopes[f] = T(0);
    slope[count_ - 1] = T(1);
    for (int n = count_ - 1; n >= 0; --n) {
      const KernelNode& node = nodes_[n];
      if (is_operator(node.kind)) {
        const bool product = node.kind == KernelKind::product;
        slope[left_[n]] = product ? slope[n] * value[right_[n]] : slope[n];
        slope[right_[n]] = product ? slope[n] * value[left_[n]] : slope[n];
      } else if (node.kind == KernelKind::linear) {
        for (int f = 0; f < node.dims; ++f) {
          slopes[f] += slope[n] * 2 * parameters_[node.parameters + f] * x[f];
        }
      }
    }
  }

  /// Lower triangle of the covariance of x, with `noise` on the diagonal, padded with the identity.
  /// @param point  scratch of x.dims numbers
  OPTCORE_HD void fill(ScaledInputs<const T> x, T noise, linalg::Triangle<T> k,
                       T* point) const noexcept {
    constexpr int W = native_lanes<T>;
    const int n = k.size, rows = linalg::padded<T>(n);
    for (int j = 0; j < n; ++j) {
      gather(x, j, point);
      for (int i = j / W * W; i < rows; i += run) {
        alignas(64) T out[run];
        const int count = min(run, rows - i);
        values(x, i, count, point, j, out);
        for (int p = max(0, j - i); p < count; ++p) k(i + p, j) = out[p];
      }
      k(j, j) += noise;
    }
    linalg::pad_with_identity(k);
  }

  /// Point i of x into `point` (d,).
  OPTCORE_HD static void gather(ScaledInputs<const T> x, int i, T* point) noexcept {
    for (int f = 0; f < x.dims; ++f) point[f] = x.feature(f)[i];
  }

  [[nodiscard]] OPTCORE_HD static Status check(VectorView<const KernelNode> nodes,
                                               VectorView<const T> parameters, int dims) noexcept {
    int depth = 0;
    for (int n = 0; n < nodes.size; ++n) {
      const KernelNode& node = nodes[n];
      if (node.kind < KernelKind::rbf || node.kind > KernelKind::product) {
        return Status::invalid_argument;
      }
      if (is_operator(node.kind)) {
        if (depth < 2) return Status::invalid_argument;
        --depth;
        continue;
      }
      ++depth;
      const bool coregional = node.kind == KernelKind::coregional;
      if (node.dims < 0 || node.dims > dims - (coregional ? 1 : 0) || node.parameters < 0 ||
          (coregional && (node.outputs < 1 || node.rank < 0)) ||
          node.parameters + parameter_count(node) > parameters.size) {
        return Status::invalid_argument;
      }
      for (int p = 0; p < parameter_count(node); ++p) {
        const T value = parameters[node.parameters + p];
        const bool free = coregional && p < node.outputs * node.rank;  // a weight may be negative
        if (!is_finite(value) || (!free && !(value > T(0)))) return Status::invalid_argument;
      }
    }
    return depth == 1 ? Status::ok : Status::invalid_argument;
  }

 private:
  using Workspace = T[max_kernel_nodes][run];

  [[nodiscard]] OPTCORE_HD static constexpr bool is_operator(KernelKind kind) noexcept {
    return kind == KernelKind::sum || kind == KernelKind::product;
  }

  OPTCORE_HD void forward(const detail::TermRun<T>& points, Workspace& value) const noexcept {
    for (int n = 0; n < count_; ++n) {
      if (is_operator(nodes_[n].kind)) {
        const T* const l = value[left_[n]];
        const T* const r = value[right_[n]];
        const bool product = nodes_[n].kind == KernelKind::product;
        for (int i = 0; i < points.count; ++i) value[n][i] = product ? l[i] * r[i] : l[i] + r[i];
      } else {
        detail::with_term(nodes_[n], parameters_,
                          [&](auto term) { term.values(points, value[n]); });
      }
    }
  }

  OPTCORE_HD void diagonal_values(const T* x, T* value) const noexcept {
    for (int n = 0; n < count_; ++n) {
      const KernelNode& node = nodes_[n];
      const T* const own = parameters_ + node.parameters;
      switch (node.kind) {
        case KernelKind::sum: value[n] = value[left_[n]] + value[right_[n]]; break;
        case KernelKind::product: value[n] = value[left_[n]] * value[right_[n]]; break;
        case KernelKind::linear:
          value[n] = T(0);
          for (int f = 0; f < node.dims; ++f) value[n] += own[f] * x[f] * x[f];
          break;
        case KernelKind::coregional: {
          const detail::CoregionalTerm<T> term{own, node.dims, node.outputs, node.rank};
          const int output = term.output(x[node.dims]);
          value[n] = term.covariance(output, output);
          break;
        }
        default: value[n] = own[0];
      }
    }
  }

  KernelNode nodes_[max_kernel_nodes];
  int left_[max_kernel_nodes] = {}, right_[max_kernel_nodes] = {};
  int count_ = 0, size_ = 0, capacity_ = 0;
  T* parameters_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::gp
