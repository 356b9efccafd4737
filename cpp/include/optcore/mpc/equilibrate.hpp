#pragma once

#include "optcore/mpc/ocp_data.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Units in which a badly scaled problem is a well scaled one: one for every component of x and u
/// and every row, the same at all stages so that a plan can still be shifted, and one for the cost.
///
/// Inputs take the unit in which all have the same weight, of about the size of their range; states
/// the one that balances what drives them against what they drive and cost. Units are powers of
/// two, so changing them rounds nothing. A problem whose own units are good keeps them.
///
/// Sources: Osborne, "On pre-conditioning of matrices", J. ACM 7(4) (1960), in the maximum norm;
/// Ruiz, "A scaling algorithm to equilibrate both rows and columns norms in matrices" (2001).
template <class T, int Nx, int Nu>
class Equilibration {
 public:
  using Data = OcpData<T, Nx, Nu>;

  void attach(Arena& arena, const Data& d) noexcept {
    const auto take = [&](T*& p, int count) {
      p = arena.array<T>(static_cast<std::size_t>(count));
    };
    take(dynamics_, d.nx() * d.zs());
    take(weight_, d.zs());
    take(range_, d.zs());
    take(factor_, d.zs());
    take(row_factor_, d.rs());
  }

  /// Rescales the data and their units. @return false when they stay as they are.
  bool apply(Data& d) noexcept {
    gather(d);
    choose_inputs(d);
    choose_states(d);
    choose_free_inputs(d);
    const T cost = choose_cost(d);
    choose_rows(d);
    T least = min(cost, T(1) / cost) * T(256), most = 0;  // costs have more latitude than units
    least = min(least, T(1));
    for (int j = 0; j < d.nz(); ++j) {
      factor_[j] = power_of_two(factor_[j]);
      least = min(least, factor_[j]);
      most = max(most, factor_[j]);
    }
    for (int i = 0; i < d.rows(); ++i) {
      row_factor_[i] = power_of_two(row_factor_[i]);
      least = min(least, row_factor_[i]);
      most = max(most, row_factor_[i]);
    }
    if (!(most > T(latitude)) && !(least * T(latitude) < T(1))) return false;
    rescale(d, cost);
    return true;
  }

 private:
  static constexpr int latitude = 16;  ///< factors between its inverse and it are not worth while
  static constexpr int sweeps = 12;

  [[nodiscard]] static T power_of_two(T value) noexcept {
    if (!(value > 0) || !is_finite(value)) return T(1);
    T power = 1;
    for (int i = 0; i < 40 && power > T(1.41) * value; ++i) power *= T(0.5);
    for (int i = 0; i < 40 && power * T(1.41) < value; ++i) power *= T(2);
    return power;
  }

  /// Largest magnitudes over the stages.
  void gather(const Data& d) noexcept {
    for (int i = 0; i < d.nx() * d.zs(); ++i) dynamics_[i] = 0;
    for (int j = 0; j < d.zs(); ++j) {
      weight_[j] = range_[j] = 0;
      factor_[j] = 1;
    }
    for (int k = 0; k <= d.horizon(); ++k) {
      const T* h = d.hessian + k * d.nz() * d.zs();
      for (int j = d.first(k); j < d.last(k); ++j) {
        weight_[j] = max(weight_[j], abs(h[j * d.zs() + j]));
        const T low = d.low[k * d.zs() + j], high = d.high[k * d.zs() + j];
        if (low > -Data::none && high < Data::none) {
          range_[j] = max(range_[j], T(0.5) * (high - low));
        }
      }
      if (k == d.horizon()) break;
      const T* ab = d.dynamics + k * d.nx() * d.zs();
      for (int i = 0; i < d.nx() * d.zs(); ++i) dynamics_[i] = max(dynamics_[i], abs(ab[i]));
    }
  }

  /// factor = shared / sqrt(weight), the shared part so that ranges are about one.
  void choose_inputs(const Data& d) noexcept {
    T total = 0, ranged = 0;
    int count = 0, bounded = 0;
    for (int j = d.nx(); j < d.nz(); ++j) {
      if (!has_weight(d, j)) continue;
      const T size = T(0.5) * log(weight_[j]);
      total += size;
      ++count;
      if (!(range_[j] > 0)) continue;
      ranged += size + log(range_[j]);
      ++bounded;
    }
    const T mean = bounded > 0 ? ranged / static_cast<T>(bounded)
                               : (count > 0 ? total / static_cast<T>(count) : T(0));
    root_ = exp(mean);
    for (int j = d.nx(); j < d.nz(); ++j) {
      if (has_weight(d, j))
        factor_[j] = root_ / sqrt(weight_[j]);
      else if (range_[j] > 0)
        factor_[j] = range_[j];
    }
  }

  /// Does input j cost more than rounding?
  [[nodiscard]] bool has_weight(const Data& d, int j) const noexcept {
    T top = 0;
    for (int i = d.nx(); i < d.nz(); ++i) top = max(top, weight_[i]);
    return weight_[j] > T(1e4) * epsilon<T>() * top && weight_[j] > T(0);
  }

  void choose_states(const Data& d) noexcept {
    const int n = d.nx();
    for (int sweep = 0; sweep < sweeps; ++sweep) {
      for (int i = 0; i < n; ++i) {
        T driven = 0, drives = sqrt(weight_[i]) / root_;
        for (int j = 0; j < d.nz(); ++j) {
          if (j != i) driven = max(driven, dynamics_[i * d.zs() + j] * factor_[j]);
        }
        for (int j = 0; j < n; ++j) {
          if (j != i) drives = max(drives, dynamics_[j * d.zs() + i] / factor_[j]);
        }
        if (driven > 0 && drives > 0)
          factor_[i] = sqrt(driven / drives);
        else if (driven > 0)
          factor_[i] = driven;
        else if (drives > 0)
          factor_[i] = T(1) / drives;
      }
    }
  }

  /// Inputs with neither weight nor range by what they drive.
  void choose_free_inputs(const Data& d) noexcept {
    for (int j = d.nx(); j < d.nz(); ++j) {
      if (has_weight(d, j) || range_[j] > 0) continue;
      T drives = 0;
      for (int i = 0; i < d.nx(); ++i) drives = max(drives, dynamics_[i * d.zs() + j] / factor_[i]);
      if (drives > 0) factor_[j] = T(1) / drives;
    }
  }

  [[nodiscard]] T choose_cost(const Data& d) noexcept {
    T top = 0;
    for (int j = 0; j < d.nz(); ++j) top = max(top, weight_[j] * factor_[j] * factor_[j]);
    return power_of_two(top);
  }

  void choose_rows(const Data& d) noexcept {
    for (int i = 0; i < d.rows(); ++i) row_factor_[i] = 0;
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int j = 0; j < d.nz(); ++j) {
        const T* c = d.coefficients + (k * d.nz() + j) * d.rs();
        for (int i = 0; i < d.counts[k]; ++i) {
          row_factor_[i] = max(row_factor_[i], abs(c[i]) * factor_[j]);
        }
      }
    }
    for (int i = 0; i < d.rows(); ++i) {
      if (!(row_factor_[i] > 0)) row_factor_[i] = 1;
    }
  }

  void rescale(Data& d, T cost) noexcept {
    const int n = d.nx(), zs = d.zs();
    const auto limit = [](T value, T per) { return abs(value) < Data::none ? value * per : value; };
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int i = 0; i < d.nz(); ++i) {
        const int at = k * zs + i;
        T* row = d.hessian + k * d.nz() * zs + i * zs;
        for (int j = 0; j < d.nz(); ++j) row[j] *= factor_[i] * factor_[j] / cost;
        d.gradient[at] *= factor_[i] / cost;
        d.low[at] = limit(d.low[at], T(1) / factor_[i]);
        d.high[at] = limit(d.high[at], T(1) / factor_[i]);
        T* c = d.coefficients + (k * d.nz() + i) * d.rs();
        for (int r = 0; r < d.counts[k]; ++r) c[r] *= factor_[i] / row_factor_[r];
      }
      for (int i = 0; i < n; ++i) {
        T* row = d.dynamics + k * n * zs + i * zs;
        for (int j = 0; j < d.nz(); ++j) {
          row[j] *= factor_[j] / factor_[i];
          d.columns[(k * d.nz() + j) * d.xs() + i] = row[j];
        }
        d.offset[k * d.xs() + i] /= factor_[i];
      }
      for (int r = 0; r < d.counts[k]; ++r) {
        const int at = k * d.rs() + r;
        d.row_low[at] = limit(d.row_low[at], T(1) / row_factor_[r]);
        d.row_high[at] = limit(d.row_high[at], T(1) / row_factor_[r]);
        if (d.l1[at] < Data::none) d.l1[at] *= row_factor_[r] / cost;
        d.l2[at] *= row_factor_[r] * row_factor_[r] / cost;
      }
    }
    for (int i = 0; i < n; ++i) d.x0[i] /= factor_[i];
    for (int j = 0; j < d.nz(); ++j) d.unit[j] *= factor_[j];
    for (int i = 0; i < d.rows(); ++i) d.row_unit[i] *= row_factor_[i];
    d.cost_unit *= cost;
    d.touch(d.horizon());
  }

  T* dynamics_ = nullptr;                   ///< (nx, zs) largest magnitudes of [A B]
  T *weight_ = nullptr, *range_ = nullptr;  ///< (zs,) largest diagonal of H, half range of bounds
  T *factor_ = nullptr, *row_factor_ = nullptr;
  T root_ = 1;  ///< sqrt of the inputs' weight in their new units
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
