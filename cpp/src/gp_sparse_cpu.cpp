/// CPU back-end of the Gaussian process with inducing inputs; compiled once per instruction set.

#include <new>

#include "backend.hpp"
#include "optcore/gp/inducing.hpp"
#include "optcore/gp/sparse.hpp"

namespace optcore::cpu {
namespace {

using Model = gp::Sparse<double>;
using Choice = gp::InducingChoice<double>;
using host::GpBoundGradient;
using host::GpHyperparameters;

Model& model_of(void* model) noexcept { return *static_cast<Model*>(model); }
const Model& model_of(const void* model) noexcept { return *static_cast<const Model*>(model); }

gp::Hyperparameters<double> native(const GpHyperparameters& hyper) noexcept {
  gp::Hyperparameters<double> values;
  values.family = static_cast<KernelFamily>(hyper.family);
  values.variance = hyper.variance;
  values.length_scales = hyper.length_scales;
  values.noise = hyper.noise;
  values.mean = hyper.mean;
  values.nodes = hyper.nodes;
  values.parameters = hyper.parameters;
  return values;
}

std::size_t bytes(GpSize size) noexcept {
  Arena arena = Arena::measure();
  static_cast<void>(arena.array<Model>(1));
  Model().bind(arena, size.points, size.dims, size.outputs, size.kernel_parameters);
  return arena.used();
}

void* create(void* memory, std::size_t bytes, GpSize size) noexcept {
  Arena arena(memory, bytes);
  Model* const room = arena.array<Model>(1);
  if (room == nullptr) return nullptr;
  Model* const model = ::new (static_cast<void*>(room)) Model();
  model->bind(arena, size.points, size.dims, size.outputs, size.kernel_parameters);
  return arena.overflowed() ? nullptr : model;
}

Status predict(void* model, MatrixView<const double> queries, MatrixView<double> mean,
               VectorView<double> variance) noexcept {
  if (!gp::detail::all_finite(queries)) return Status::not_finite;
  model_of(model).predict(queries, mean, variance);
  return Status::ok;
}

void finish_gradient(void* model, GpBoundGradient& out) noexcept {
  gp::BoundGradient<double> result;
  result.log_length_scales = out.log_length_scales;
  result.parameters = out.parameters;
  model_of(model).finish_gradient(result);
  out.log_variance = result.log_variance;
  out.log_noise = result.log_noise;
}

void statistics(const void* model, host::GpSparseStatistics<double>& out) noexcept {
  gp::SparseStatistics<double> gathered = {.gram = out.gram, .moments = out.moments};
  model_of(model).statistics(gathered);
  out.squares = gathered.squares;
  out.prior = gathered.prior;
  out.rows = gathered.rows;
}

Status restore(void* model, const host::GpSparseStatistics<const double>& saved) noexcept {
  return model_of(model).restore(
      {saved.gram, saved.moments, saved.squares, saved.prior, saved.rows});
}

std::size_t choose_bytes(int candidates, int dims, int most, int kernel_parameters) noexcept {
  Arena arena = Arena::measure();
  Choice().bind(arena, candidates, dims, most, kernel_parameters);
  return arena.used();
}

Status choose(void* memory, std::size_t bytes, MatrixView<const double> candidates,
              const GpHyperparameters& hyper, double tolerance, VectorView<int> chosen,
              int& count) noexcept {
  Arena arena(memory, bytes);
  Choice choice;
  choice.bind(arena, candidates.rows, candidates.cols, chosen.size, hyper.parameters.size);
  if (arena.overflowed()) return Status::capacity_exceeded;
  return choice.choose(candidates, native(hyper), tolerance, chosen, count);
}

constexpr GpSparseKernels table = {
    .bytes = bytes,
    .create = create,
    .begin = [](void* model, MatrixView<const double> Z, const GpHyperparameters& hyper,
                double jitter) noexcept { return model_of(model).begin(Z, native(hyper), jitter); },
    .add = [](void* model, MatrixView<const double> X,
              MatrixView<const double> Y) noexcept { return model_of(model).add(X, Y); },
    .finish = [](void* model) noexcept { return model_of(model).finish(); },
    .predict = predict,
    .begin_gradient = [](void* model) noexcept { model_of(model).begin_gradient(); },
    .add_gradient =
        [](void* model, MatrixView<const double> X, MatrixView<const double> Y) noexcept {
          return model_of(model).add_gradient(X, Y);
        },
    .finish_gradient = finish_gradient,
    .statistics = statistics,
    .restore = restore,
    .bound = [](const void* model) noexcept { return model_of(model).bound(); },
    .failing_pivot = [](const void* model) noexcept { return model_of(model).failing_pivot(); },
    .choose_bytes = choose_bytes,
    .choose = choose,
};

}  // namespace

template <>
const GpSparseKernels& gp_sparse_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
