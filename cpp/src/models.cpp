#include "optcore/host/models.hpp"

#include "optcore/mpc/models.hpp"

namespace optcore::host {
namespace {

/// Calls body with a model of the given kind; its parameters are set by the second argument.
template <class Body>
void with_model(Model kind, Body body) noexcept {
  const auto plain = [](auto&, const double*) {};
  switch (kind) {
    case Model::double_integrator: return body(mpc::DoubleIntegrator<double>(), plain);
    case Model::unicycle: return body(mpc::Unicycle<double>(), plain);
    case Model::bicycle:
      return body(mpc::Bicycle<double>(), [](auto& m, const double* p) { m.wheelbase = p[0]; });
    case Model::differential_drive:
      return body(mpc::DifferentialDrive<double>(),
                  [](auto& m, const double* p) { m.track = p[0]; });
    case Model::pendulum:
      return body(mpc::Pendulum<double>(), [](auto& m, const double* p) {
        m.mass = p[0], m.length = p[1], m.damping = p[2], m.gravity = p[3];
      });
    case Model::cart_pole:
      return body(mpc::CartPole<double>(), [](auto& m, const double* p) {
        m.cart = p[0], m.pole = p[1], m.length = p[2], m.gravity = p[3];
      });
    case Model::quadrotor:
      return body(mpc::Quadrotor<double>(), [](auto& m, const double* p) {
        m.mass = p[0], m.gravity = p[1];
        for (int i = 0; i < 3; ++i) m.inertia[i] = p[2 + i];
      });
    case Model::arm7: return body(mpc::Arm7<double>(), plain);
  }
}

}  // namespace

ModelSize model_size(Model kind) noexcept {
  ModelSize size;
  with_model(kind, [&]<class M>(M, auto) {
    size = {.nx = M::nx, .nu = M::nu, .parameters = M::parameters};
  });
  return size;
}

void linearise(Model kind, const double* parameters, int count, const double* x, const double* u,
               double h, int steps, double* next, double* A, double* B) noexcept {
  with_model(kind, [&]<class M>(M model, auto set) {
    set(model, parameters);
    constexpr int n = M::nx, m = M::nu;
    for (int k = 0; k < count; ++k) {
      mpc::linearise(model, x + k * n, u + k * m, h, steps, next + k * n, A + k * n * n,
                     B + k * n * m);
    }
  });
}

}  // namespace optcore::host
