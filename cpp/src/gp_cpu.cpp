/// CPU back-end of the Gaussian process; compiled once per instruction set.

#include <new>

#include "backend.hpp"
#include "optcore/gp/likelihood.hpp"
#include "optcore/gp/model.hpp"

namespace optcore::cpu {
namespace {

using Model = gp::Model<double>;
using Likelihood = gp::Likelihood<double>;
using host::GpHyperparameters;
using host::GpLikelihood;

Model& model_of(void* model) noexcept { return *static_cast<Model*>(model); }
const Model& model_of(const void* model) noexcept { return *static_cast<const Model*>(model); }

gp::Hyperparameters<double> native(const GpHyperparameters& hyper) noexcept {
  return {.family = static_cast<KernelFamily>(hyper.family),
          .variance = hyper.variance,
          .length_scales = hyper.length_scales,
          .noise = hyper.noise,
          .mean = hyper.mean,
          .point_noise = hyper.point_noise,
          .nodes = hyper.nodes,
          .parameters = hyper.parameters};
}

/// Both classes are bound to (points, dims, outputs, more, kernel parameters).
template <class Object>
std::size_t bytes_of(GpSize size) noexcept {
  Arena arena = Arena::measure();
  static_cast<void>(arena.array<Object>(1));
  Object().bind(arena, size.points, size.dims, size.outputs, size.more, size.kernel_parameters);
  return arena.used();
}

template <class Object>
void* create(void* memory, std::size_t bytes, GpSize size) noexcept {
  Arena arena(memory, bytes);
  Object* const room = arena.array<Object>(1);
  if (room == nullptr) return nullptr;
  Object* const object = ::new (static_cast<void*>(room)) Object();
  object->bind(arena, size.points, size.dims, size.outputs, size.more, size.kernel_parameters);
  return arena.overflowed() ? nullptr : object;
}

Status likelihood(void* evaluator, MatrixView<const double> X, MatrixView<const double> Y,
                  const GpHyperparameters& hyper, bool gradient, GpLikelihood& out) noexcept {
  gp::LikelihoodOutput<double> result;
  result.log_length_scales = out.log_length_scales;
  result.mean = out.mean;
  result.parameters = out.parameters;
  const Status status =
      static_cast<Likelihood*>(evaluator)->evaluate(X, Y, native(hyper), gradient, result);
  out.value = result.value;
  out.log_variance = result.log_variance;
  out.log_noise = result.log_noise;
  out.failing_pivot = result.failing_pivot;
  return status;
}

struct CovarianceRoom {
  CovarianceRoom(Arena& arena, int points, int dims, int parameters) noexcept {
    const int rows = linalg::padded<double>(points);
    kernel.bind(arena, parameters);
    x = {arena.array<double>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(dims)), dims,
         rows};
  }
  gp::CompositeKernel<double> kernel;
  gp::ScaledInputs<double> x;
};

std::size_t covariance_bytes(int points, int dims, int parameters) noexcept {
  Arena arena = Arena::measure();
  const CovarianceRoom room(arena, points, dims, parameters);
  return arena.used();
}

Status covariance(Arena arena, VectorView<const KernelNode> nodes,
                  VectorView<const double> parameters, MatrixView<const double> X,
                  MatrixView<const double> Z, bool same, MatrixView<double> out) noexcept {
  constexpr int run = gp::CompositeKernel<double>::run;
  CovarianceRoom room(arena, X.rows, X.cols, parameters.size);
  const Status set = room.kernel.set(nodes, parameters, X.cols);
  if (failed(set)) return set;
  for (int i = 0; i < X.rows; ++i) {
    for (int f = 0; f < X.cols; ++f) room.x.feature(f)[i] = X(i, f);
  }
  for (int j = 0; j < Z.rows; ++j) {
    for (int first = 0; first < room.x.stride; first += run) {
      alignas(64) double values[run];
      const int count = min(run, room.x.stride - first);
      room.kernel.values(room.x, first, count, Z.row_data(j), same ? j : -1, values);
      for (int i = first; i < min(first + count, X.rows); ++i) out(i, j) = values[i - first];
    }
  }
  return Status::ok;
}

Status cholesky(double* a, int size, int stride, double* workspace, int* failing_pivot,
                Team team) noexcept {
  const linalg::Triangle<double> triangle{a, size, stride};
  linalg::pad_with_identity(triangle);
  return linalg::factor(triangle, workspace, failing_pivot, 0.0, team);
}

constexpr GpKernels table = {
    .model_bytes = bytes_of<Model>,
    .model_create = create<Model>,
    .fit = [](void* model, MatrixView<const double> X, MatrixView<const double> Y,
              const GpHyperparameters& hyper,
              Team team) noexcept { return model_of(model).fit(X, Y, native(hyper), team); },
    .append = [](void* model, VectorView<const double> x,
                 VectorView<const double> y) noexcept { return model_of(model).append(x, y); },
    .drop = [](void* model, int index) noexcept { return model_of(model).drop(index); },
    .refactor = [](void* model) noexcept { return model_of(model).refactor(); },
    .weights = [](const void* model) noexcept { return model_of(model).weights(); },
    .leave_one_out =
        [](void* model, MatrixView<double> residual, VectorView<double> variance) noexcept {
          model_of(model).leave_one_out(residual, variance);
        },
    .mean = [](const void* model, MatrixView<const double> queries,
               MatrixView<double> mean) noexcept { model_of(model).mean(queries, mean); },
    .predict =
        [](void* model, MatrixView<const double> queries, MatrixView<double> mean,
           VectorView<double> variance) noexcept {
          model_of(model).predict(queries, mean, variance);
        },
    .mean_gradient =
        [](const void* model, MatrixView<const double> queries, MatrixView<double> mean,
           MatrixView<double> gradient) noexcept {
          model_of(model).mean_gradient(queries, mean, gradient);
        },
    .variance_gradient =
        [](void* model, MatrixView<const double> queries, MatrixView<double> gradient) noexcept {
          model_of(model).variance_gradient(queries, gradient);
        },
    .predict_joint =
        [](void* model, MatrixView<const double> queries, MatrixView<double> mean,
           MatrixView<double> covariance, double* scratch) noexcept {
          model_of(model).predict_joint(queries, mean, covariance, scratch);
        },
    .joint_scratch = [](const void* model,
                        int queries) noexcept { return model_of(model).joint_scratch(queries); },
    .size = [](const void* model) noexcept { return model_of(model).size(); },
    .failing_pivot = [](const void* model) noexcept { return model_of(model).failing_pivot(); },
    .log_marginal_likelihood =
        [](const void* model) noexcept { return model_of(model).log_marginal_likelihood(); },
    .compact_size =
        [](GpSize size) noexcept {
          return Model::compact_size(size.points, size.dims, size.outputs);
        },
    .store = [](const void* model, double* compact) noexcept { model_of(model).store(compact); },
    .restore = [](void* model, int points,
                  const double* compact) noexcept { model_of(model).restore(points, compact); },
    .likelihood_bytes = bytes_of<Likelihood>,
    .likelihood_create = create<Likelihood>,
    .likelihood = likelihood,
    .covariance_bytes = covariance_bytes,
    .covariance = covariance,
    .cholesky = cholesky,
    .cholesky_rows = [](int size) noexcept { return linalg::padded<double>(size); },
    .cholesky_stride = [](int size) noexcept { return linalg::padded_stride<double>(size); },
    .cholesky_workspace = [](int size) noexcept { return linalg::factor_workspace<double>(size); },
};

}  // namespace

template <>
const GpKernels& gp_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
