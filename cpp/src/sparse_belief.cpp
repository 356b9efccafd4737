#include "optcore/host/sparse_belief.hpp"

#include <cmath>

#include "backend.hpp"
#include "optcore/belief/sparse.hpp"

namespace optcore::host {

namespace {

constexpr double row_tolerance = 1e-5;
constexpr int height = SlicedMatrix<double>::height;
/// Slices that would hold more than this many times the entries are not made.
constexpr double most_padding = 4;

bool is_observation_table(MatrixView<const double> table) {
  for (int s = 0; s < table.rows; ++s) {
    double total = 0;
    for (int z = 0; z < table.cols; ++z) {
      if (!(table(s, z) >= 0)) return false;
      total += table(s, z);
    }
    if (!(std::fabs(total - 1) <= row_tolerance)) return false;
  }
  return true;
}

}  // namespace

SparseTables::SparseTables(int states, int actions, int observations, Precision precision)
    : states_(states),
      padded_((states + height - 1) / height * height),
      observations_(observations),
      precision_(precision),
      storage_(static_cast<std::size_t>(actions)),
      single_(precision == Precision::single ? storage_.size() : 0),
      twice_(precision == Precision::twice ? storage_.size() : 0) {}

Status SparseTables::set_action(int action, const CsrView<double>& transition,
                                MatrixView<const double> observation) {
  if (action < 0 || action >= actions()) return Status::invalid_argument;
  if (transition.rows != states_ || transition.cols != states_ || observation.rows != states_ ||
      observation.cols != observations_) {
    return Status::shape_mismatch;
  }
  const Status status = belief::check_stochastic(transition, row_tolerance);
  if (failed(status)) return status;
  if (!is_observation_table(observation)) return Status::invalid_argument;
  const auto a = static_cast<std::size_t>(action);
  return precision_ == Precision::single ? store(action, transition, observation, single_[a])
                                         : store(action, transition, observation, twice_[a]);
}

template <class Table>
Status SparseTables::store(int action, const CsrView<double>& transition,
                           MatrixView<const double> observation, SparseAction<Table>& target) {
  const auto entries = static_cast<std::size_t>(transition.entries());
  const auto rows = static_cast<std::size_t>(states_) + 1;

  // the transpose is needed only to cut the slices from it
  Buffer scratch(rows * sizeof(int) + entries * (sizeof(int) + sizeof(Table)) + 256);
  Arena cutter = scratch.arena();
  int* begin = cutter.array<int>(rows);
  int* column = cutter.array<int>(entries);
  Table* value = cutter.array<Table>(entries);
  belief::transpose<Table>(transition, begin, column, value);
  const CsrView<Table> by_target{states_, states_, begin, column, value};
  const auto size = belief::sliced_size(by_target);
  const bool sliced =
      static_cast<double>(size.values()) <= most_padding * static_cast<double>(entries) + 64;

  SparseAction<Table> made;
  int *kept_begin = nullptr, *kept_column = nullptr;
  Table* kept_value = nullptr;
  const auto cut = [&](Arena& arena) {
    kept_begin = arena.array<int>(rows);
    kept_column = arena.array<int>(entries);
    kept_value = arena.array<Table>(entries);
    if (sliced) made.by_target = SlicedMatrix<Table>::make(arena, states_, size);
    made.likelihood = arena.matrix<Table>(observations_, padded_);
  };
  Arena measure = Arena::measure();
  cut(measure);
  Buffer buffer(measure.used());
  Arena arena = buffer.arena();
  cut(arena);

  for (std::size_t i = 0; i < rows; ++i) kept_begin[i] = transition.begin[i];
  for (std::size_t k = 0; k < entries; ++k) {
    kept_column[k] = transition.column[k];
    kept_value[k] = static_cast<Table>(transition.value[k]);
  }
  made.transition = {states_, states_, kept_begin, kept_column, kept_value};
  if (sliced) belief::fill_sliced(by_target, made.by_target);
  for (int s = 0; s < states_; ++s) {
    for (int z = 0; z < observations_; ++z) {
      made.likelihood(z, s) = static_cast<Table>(observation(s, z));
    }
    const int length = kept_begin[s + 1] - kept_begin[s];
    made.longest_row = length > made.longest_row ? length : made.longest_row;
  }
  target = made;
  storage_[static_cast<std::size_t>(action)] = std::move(buffer);
  return Status::ok;
}

bool SparseTables::ready(int action) const noexcept {
  return action >= 0 && action < actions() &&
         storage_[static_cast<std::size_t>(action)].data() != nullptr;
}

bool SparseTables::sliced(int action) const noexcept {
  return ready(action) && (precision_ == Precision::single ? single(action).by_target.slices
                                                           : twice(action).by_target.slices) > 0;
}

std::size_t SparseTables::bytes() const noexcept {
  std::size_t total = 0;
  for (const Buffer& buffer : storage_) total += buffer.bytes();
  return total;
}

namespace {

Status check(const SparseTables& tables, int action, int observation) noexcept {
  if (action < 0 || action >= tables.actions() || observation < -1 ||
      observation >= tables.observations()) {
    return Status::invalid_argument;
  }
  return tables.ready(action) ? Status::ok : Status::not_ready;
}

/// Calls `call(kernels, action tables, likelihood or null)` with the tables' type.
template <class Call>
auto with_tables(const SparseTables& tables, int action, int observation, Call call) {
  const cpu::SparseKernels& kernels = cpu::kernels().belief->sparse;
  if (tables.precision() == SparseTables::Precision::single) {
    const SparseAction<float>& a = tables.single(action);
    const float* likelihood = observation < 0 ? nullptr : a.likelihood.row_data(observation);
    return call(kernels.single, a, likelihood);
  }
  const SparseAction<double>& a = tables.twice(action);
  const double* likelihood = observation < 0 ? nullptr : a.likelihood.row_data(observation);
  return call(kernels.twice, a, likelihood);
}

std::size_t belief_bytes(int states) {
  Arena arena = Arena::measure();
  (void)SparseBeliefState<double>::make(arena, states);
  return arena.used();
}

}  // namespace

SparseBelief::SparseBelief(std::shared_ptr<const SparseTables> tables)
    : tables_(std::move(tables)), buffer_(belief_bytes(tables_->states())) {
  Arena arena = buffer_.arena();
  state_ = SparseBeliefState<double>::make(arena, tables_->states());
  (void)belief::set_belief<double>(state_, {});
}

Status SparseBelief::reset(VectorView<const double> prior) noexcept {
  return belief::set_belief(state_, prior);
}

Status SparseBelief::update(int action, int observation) noexcept {
  const Status status = check(*tables_, action, observation);
  if (failed(status)) return status;
  return with_tables(*tables_, action, observation,
                     [&](const auto& kernels, const auto& a, const auto* likelihood) {
                       return kernels.update(state_, a, likelihood);
                     });
}

void SparseBelief::probabilities(VectorView<double> out) const noexcept {
  belief::probabilities(state_, out);
}

Status update_belief(const SparseTables& tables, VectorView<const double> belief, int action,
                     int observation, VectorView<double> posterior, double& log_evidence) noexcept {
  const Status status = check(tables, action, observation);
  if (failed(status)) return status;
  if (belief.size != tables.padded() || posterior.size != tables.padded()) {
    return Status::shape_mismatch;
  }
  const double mass = with_tables(tables, action, observation,
                                  [&](const auto& kernels, const auto& a, const auto* likelihood) {
                                    return kernels.weigh(a, belief, likelihood, posterior);
                                  });
  const double scale = 1 / mass;
  if (!(mass > 0) || !std::isfinite(scale)) return Status::zero_evidence;
  for (int s = 0; s < posterior.size; ++s) posterior[s] *= scale;
  log_evidence = std::log(mass);
  return Status::ok;
}

Status observation_probabilities(const SparseTables& tables, VectorView<const double> belief,
                                 int action, VectorView<double> predicted,
                                 VectorView<double> out) noexcept {
  double log_evidence = 0;
  const Status status = update_belief(tables, belief, action, -1, predicted, log_evidence);
  if (failed(status)) return status;
  if (out.size != tables.observations()) return Status::shape_mismatch;
  with_tables(tables, action, 0, [&](const auto& kernels, const auto& a, const auto*) {
    kernels.observe(a.likelihood, predicted, out);
  });
  return Status::ok;
}

}  // namespace optcore::host
