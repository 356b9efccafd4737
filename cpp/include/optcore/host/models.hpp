#pragma once

namespace optcore::host {

/// Motion models by name; see mpc/models.hpp.
enum class Model : int {
  double_integrator = 0,
  unicycle = 1,
  bicycle = 2,
  differential_drive = 3,
  pendulum = 4,
  cart_pole = 5,
  quadrotor = 6,
  arm7 = 7,
};

struct ModelSize {
  int nx = 0, nu = 0, parameters = 0;
};

[[nodiscard]] ModelSize model_size(Model model) noexcept;

/// Steps of `count` states under held inputs, with exact Jacobians.
///
/// @param parameters  as many as model_size() says, in the order of the struct in mpc/models.hpp.
/// @param x, u        (count, nx), (count, nu)
/// @param h, steps    seconds, and Runge-Kutta steps they are cut into, >= 1
/// @param next, A, B  (count, nx), (count, nx, nx), (count, nx, nu)
void linearise(Model model, const double* parameters, int count, const double* x, const double* u,
               double h, int steps, double* next, double* A, double* B) noexcept;

}  // namespace optcore::host
