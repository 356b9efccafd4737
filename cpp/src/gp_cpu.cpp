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
          .point_noise = hyper.point_noise};
}

std::size_t model_bytes(int capacity, int dims, int outputs, bool with_inverse) noexcept {
  Arena arena = Arena::measure();
  static_cast<void>(arena.array<Model>(1));
  Model().bind(arena, capacity, dims, outputs, with_inverse);
  return arena.used();
}

void* model_create(void* memory, std::size_t bytes, int capacity, int dims, int outputs,
                   bool with_inverse) noexcept {
  Arena arena(memory, bytes);
  Model* const room = arena.array<Model>(1);
  if (room == nullptr) return nullptr;
  Model* const model = ::new (static_cast<void*>(room)) Model();
  model->bind(arena, capacity, dims, outputs, with_inverse);
  return arena.overflowed() ? nullptr : model;
}

std::size_t likelihood_bytes(int points, int dims, int outputs, bool gradient) noexcept {
  Arena arena = Arena::measure();
  static_cast<void>(arena.array<Likelihood>(1));
  Likelihood().bind(arena, points, dims, outputs, gradient);
  return arena.used();
}

void* likelihood_create(void* memory, std::size_t bytes, int points, int dims, int outputs,
                        bool gradient) noexcept {
  Arena arena(memory, bytes);
  Likelihood* const room = arena.array<Likelihood>(1);
  if (room == nullptr) return nullptr;
  Likelihood* const likelihood = ::new (static_cast<void*>(room)) Likelihood();
  likelihood->bind(arena, points, dims, outputs, gradient);
  return arena.overflowed() ? nullptr : likelihood;
}

Status likelihood(void* evaluator, MatrixView<const double> X, MatrixView<const double> Y,
                  const GpHyperparameters& hyper, bool gradient, GpLikelihood& out) noexcept {
  gp::LikelihoodOutput<double> result;
  result.log_length_scales = out.log_length_scales;
  result.mean = out.mean;
  const Status status =
      static_cast<Likelihood*>(evaluator)->evaluate(X, Y, native(hyper), gradient, result);
  out.value = result.value;
  out.log_variance = result.log_variance;
  out.log_noise = result.log_noise;
  out.failing_pivot = result.failing_pivot;
  return status;
}

Status cholesky(double* a, int size, int stride, double* workspace, int* failing_pivot) noexcept {
  const linalg::Triangle<double> triangle{a, size, stride};
  linalg::pad_with_identity(triangle);
  return linalg::factor(triangle, workspace, failing_pivot);
}

constexpr GpKernels table = {
    .model_bytes = model_bytes,
    .model_create = model_create,
    .fit =
        [](void* model, MatrixView<const double> X, MatrixView<const double> Y,
           const GpHyperparameters& hyper) noexcept {
          return model_of(model).fit(X, Y, native(hyper));
        },
    .append = [](void* model, VectorView<const double> x,
                 VectorView<const double> y) noexcept { return model_of(model).append(x, y); },
    .drop = [](void* model, int index) noexcept { return model_of(model).drop(index); },
    .refactor = [](void* model) noexcept { return model_of(model).refactor(); },
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
    .likelihood_bytes = likelihood_bytes,
    .likelihood_create = likelihood_create,
    .likelihood = likelihood,
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
