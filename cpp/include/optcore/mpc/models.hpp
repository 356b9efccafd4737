#pragma once

#include "optcore/mpc/dual.hpp"

/// Motion models of robots, x' = f(x, u): sizes, parameters with their defaults, and the rate,
/// written once for any scalar. SI units and radians throughout.
namespace optcore::inline OPTCORE_ISA::mpc {

/// x = (p_1 .. p_n, v_1 .. v_n), u = accelerations; n = 2.
template <class T>
struct DoubleIntegrator {
  static constexpr int nx = 4, nu = 2, parameters = 0;
  template <class S>
  void rate(const S* x, const S* u, S* out) const noexcept {
    out[0] = x[2], out[1] = x[3];
    out[2] = u[0], out[3] = u[1];
  }
};

/// x = (px, py, heading), u = (speed, turning rate)
template <class T>
struct Unicycle {
  static constexpr int nx = 3, nu = 2, parameters = 0;
  template <class S>
  void rate(const S* x, const S* u, S* out) const noexcept {
    out[0] = u[0] * cos(x[2]);
    out[1] = u[0] * sin(x[2]);
    out[2] = u[1];
  }
};

/// x = (px, py, heading, speed), u = (acceleration, steering angle); the rear axle's point.
/// Source: Rajamani, *Vehicle Dynamics and Control*, section 2.2.
template <class T>
struct Bicycle {
  static constexpr int nx = 4, nu = 2, parameters = 1;
  T wheelbase = T(2.7);  ///< m
  template <class S>
  void rate(const S* x, const S* u, S* out) const noexcept {
    out[0] = x[3] * cos(x[2]);
    out[1] = x[3] * sin(x[2]);
    out[2] = x[3] * tan(u[1]) / S(wheelbase);
    out[3] = u[0];
  }
};

/// x = (px, py, heading, speed of the right wheel, of the left), u = their accelerations
template <class T>
struct DifferentialDrive {
  static constexpr int nx = 5, nu = 2, parameters = 1;
  T track = T(0.5);  ///< m between the wheels
  template <class S>
  void rate(const S* x, const S* u, S* out) const noexcept {
    const S speed = S(T(0.5)) * (x[3] + x[4]);
    out[0] = speed * cos(x[2]);
    out[1] = speed * sin(x[2]);
    out[2] = (x[3] - x[4]) / S(track);
    out[3] = u[0], out[4] = u[1];
  }
};

/// x = (angle from hanging, angular rate), u = torque
template <class T>
struct Pendulum {
  static constexpr int nx = 2, nu = 1, parameters = 4;
  T mass = 1, length = 1, damping = T(0.1), gravity = T(9.81);  ///< kg, m, N m s, m/s^2
  template <class S>
  void rate(const S* x, const S* u, S* out) const noexcept {
    const T inertia = mass * length * length;
    out[0] = x[1];
    out[1] = (u[0] - S(damping) * x[1] - S(mass * gravity * length) * sin(x[0])) / S(inertia);
  }
};

/// x = (position, angle from upright, speed, angular rate), u = force on the cart. A point mass on
/// a massless pole. Source: Barto, Sutton & Anderson, IEEE SMC 13(5) (1983), without friction.
template <class T>
struct CartPole {
  static constexpr int nx = 4, nu = 1, parameters = 4;
  T cart = 1, pole = T(0.1), length = T(0.5), gravity = T(9.81);  ///< kg, kg, m, m/s^2
  template <class S>
  void rate(const S* x, const S* u, S* out) const noexcept {
    const S s = sin(x[1]), c = cos(x[1]);
    const S push = (u[0] + S(pole * length) * x[3] * x[3] * s) / S(cart + pole);
    const S turn =
        (S(gravity) * s - c * push) / (S(length) * (S(1) - S(pole / (cart + pole)) * c * c));
    out[0] = x[2], out[1] = x[3];
    out[2] = push - S(pole * length / (cart + pole)) * turn * c;
    out[3] = turn;
  }
};

/// x = (position, roll, pitch, yaw, velocity, body rates), u = (thrust, torques about the body's
/// axes); world axes with z up, angles applied in the order yaw, pitch, roll; pitch below 90
/// degrees. Source: Beard & McLain, *Small Unmanned Aircraft*, chapter 3.
template <class T>
struct Quadrotor {
  static constexpr int nx = 12, nu = 4, parameters = 5;
  T mass = 1, gravity = T(9.81);               ///< kg, m/s^2
  T inertia[3] = {T(0.01), T(0.01), T(0.02)};  ///< kg m^2
  template <class S>
  void rate(const S* x, const S* u, S* out) const noexcept {
    const S sr = sin(x[3]), cr = cos(x[3]), sp = sin(x[4]), cp = cos(x[4]);
    const S sy = sin(x[5]), cy = cos(x[5]);
    const S *v = x + 6, *w = x + 9;
    for (int i = 0; i < 3; ++i) out[i] = v[i];
    const S side = sr * w[1] + cr * w[2];
    out[3] = w[0] + side * sp / cp;
    out[4] = cr * w[1] - sr * w[2];
    out[5] = side / cp;
    const S lift = u[0] / S(mass);
    out[6] = lift * (cy * sp * cr + sy * sr);
    out[7] = lift * (sy * sp * cr - cy * sr);
    out[8] = lift * cp * cr - S(gravity);
    const T* I = inertia;
    out[9] = (u[1] + S(I[1] - I[2]) * w[1] * w[2]) / S(I[0]);
    out[10] = (u[2] + S(I[2] - I[0]) * w[2] * w[0]) / S(I[1]);
    out[11] = (u[3] + S(I[0] - I[1]) * w[0] * w[1]) / S(I[2]);
  }
};

/// Seven joints commanded by their rates: x = angles, u = rates.
template <class T>
struct Arm7 {
  static constexpr int nx = 7, nu = 7, parameters = 0;
  template <class S>
  void rate(const S*, const S* u, S* out) const noexcept {
    for (int i = 0; i < nx; ++i) out[i] = u[i];
  }
};

/// x <- x after h seconds with the input held: `steps` steps of Runge and Kutta's fourth order.
template <class S, class Model, class T>
void rk4(const Model& model, S* x, const S* u, T h, int steps) noexcept {
  constexpr int n = Model::nx;
  const T d = h / static_cast<T>(steps);
  for (int step = 0; step < steps; ++step) {
    S k[n], point[n], total[n];
    model.rate(x, u, k);
    for (int i = 0; i < n; ++i) total[i] = k[i];
    constexpr T ahead[] = {T(0.5), T(0.5), T(1)}, weight[] = {T(2), T(2), T(1)};
    for (int stage = 0; stage < 3; ++stage) {
      for (int i = 0; i < n; ++i) point[i] = x[i] + S(ahead[stage] * d) * k[i];
      model.rate(point, u, k);
      for (int i = 0; i < n; ++i) total[i] = total[i] + S(weight[stage]) * k[i];
    }
    for (int i = 0; i < n; ++i) x[i] = x[i] + S(d / T(6)) * total[i];
  }
}

/// next = rk4(x, u) and its exact Jacobians A = d next / d x (nx, nx), B = d next / d u (nx, nu),
/// row-major.
///
/// ```cpp
/// // a unicycle that looks along x drives 1 m/s for 0.1 s
/// const double x[3] = {0, 0, 0}, u[2] = {1, 0};
/// double next[3], A[9], B[6];
/// optcore::mpc::linearise(optcore::mpc::Unicycle<double>{}, x, u, 0.1, 1, next, A, B);
/// assert(std::abs(next[0] - 0.1) < 1e-12);
/// assert(std::abs(A[1 * 3 + 2] - 0.1) < 1e-12);  // turned by a little, it drives as much aside
/// ```
template <class Model, class T>
void linearise(const Model& model, const T* x, const T* u, T h, int steps, T* next, T* A,
               T* B) noexcept {
  constexpr int n = Model::nx, m = Model::nu;
  using Number = Dual<T, n + m>;
  Number state[n], input[m];
  for (int i = 0; i < n; ++i) state[i] = Number::variable(x[i], i);
  for (int i = 0; i < m; ++i) input[i] = Number::variable(u[i], n + i);
  rk4(model, state, input, h, steps);
  for (int i = 0; i < n; ++i) {
    next[i] = state[i].value;
    for (int j = 0; j < n; ++j) A[i * n + j] = state[i].slope[j];
    for (int j = 0; j < m; ++j) B[i * m + j] = state[i].slope[n + j];
  }
}

}  // namespace optcore::inline OPTCORE_ISA::mpc
