#include "optcore/host/loop.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"

namespace optcore::python {
namespace {

using loop::LoopConfig;
using loop::MotionModel;

/// Fields of LoopConfig by name, so that Python's dataclass and this struct cannot drift apart:
/// every field must come, and no other may.
LoopConfig config_from(const py::dict& values) {
  LoopConfig c;
  const std::pair<const char*, double*> reals[] = {
      {"period", &c.period},
      {"step", &c.step},
      {"belief_period", &c.belief_period},
      {"contact_distance", &c.contact_distance},
      {"clearance", &c.clearance},
      {"max_speed", &c.max_speed},
      {"preferred_speed", &c.preferred_speed},
      {"max_acceleration", &c.max_acceleration},
      {"risk", &c.risk},
      {"correlation_time", &c.correlation_time},
      {"max_margin", &c.max_margin},
      {"reach", &c.reach},
      {"weight_position", &c.weight_position},
      {"weight_velocity", &c.weight_velocity},
      {"weight_terminal", &c.weight_terminal},
      {"weight_effort", &c.weight_effort},
      {"penalty_linear", &c.penalty_linear},
      {"penalty_square", &c.penalty_square},
      {"hysteresis", &c.hysteresis},
      {"brake_margin", &c.brake_margin},
      {"newcomer_age", &c.newcomer_age},
      {"deadline", &c.deadline},
  };
  const std::pair<const char*, int*> wholes[] = {
      {"horizon", &c.horizon},       {"max_people", &c.max_people},
      {"considered", &c.considered}, {"rows_per_stage", &c.rows_per_stage},
      {"sides", &c.sides},
  };
  for (const auto& [name, field] : reals) *field = values[name].cast<double>();
  for (const auto& [name, field] : wholes) *field = values[name].cast<int>();
  if (values.size() != std::size(reals) + std::size(wholes)) {
    throw py::type_error("loop config: unknown fields");
  }
  return c;
}

/// A MotionModel over arrays that it keeps alive.
struct ModelArrays {
  explicit ModelArrays(const py::dict& values) : arrays(values) {
    model.goals = matrix("goals");
    model.prior = vector("prior");
    model.betas = vector("betas");
    model.beta_prior = vector("beta_prior");
    offsets = values["offsets"].cast<Array<std::int64_t>>();
    model.offsets = vector_view<std::int64_t>(offsets, "offsets");
    model.points = matrix("points");
    model.targets = matrix("targets");
    model.noise = vector("noise");
    model.count = vector("count");
    const auto scale = vector("length_scale");
    if (scale.size != 4) throw py::value_error("length_scale: need 4 values");
    model.length_scale = scale.data;
    model.spread_lag = vector("spread_lag");
    model.spread_along = matrix("spread_along");
    model.spread_across = matrix("spread_across");
    const std::pair<const char*, double*> reals[] = {
        {"signal_variance", &model.signal_variance},
        {"temper", &model.temper},
        {"epsilon", &model.epsilon},
        {"switching", &model.switching},
        {"cv_weight", &model.cv_weight},
        {"belief_period", &model.belief_period},
        {"cap", &model.cap},
    };
    for (const auto& [name, field] : reals) *field = values[name].cast<double>();
    model.variance_stride = values["variance_stride"].cast<int>();
  }

  VectorView<const double> vector(const char* name) {
    return vector_view<double>(keep(name), name);
  }
  MatrixView<const double> matrix(const char* name) {
    return matrix_view<double>(keep(name), name);
  }

  MotionModel model;

 private:
  const Array<double>& keep(const char* name) {
    held[used] = arrays[name].cast<Array<double>>();
    return held[used++];
  }

  py::dict arrays;
  std::array<Array<double>, 12> held;
  Array<std::int64_t> offsets;
  std::size_t used = 0;
};

void raise_if_bad(const host::Checked& checked, const char* what) {
  if (failed(checked.status)) {
    raise_if_failed(checked.status, what, std::string("field ") + checked.field);
  }
}

/// The fields of optcore.loop.StepResult, in its order.
py::tuple result_tuple(const loop::LoopResult& r) {
  Array<double> command(2);
  command.mutable_at(0) = r.command[0];
  command.mutable_at(1) = r.command[1];
  return py::make_tuple(command, loop::to_string(r.fallback), loop::to_string(r.side),
                        r.risk_allocated, r.risk_dropped, r.risk_planned, r.considered,
                        r.dropped_people, r.solves, r.iterations, r.max_slack, r.cost,
                        py::make_tuple(r.seconds[0], r.seconds[1], r.seconds[2], r.seconds[3]));
}

template <int N>
const double* vector_of(const Array<double>& a, const char* name) {
  if (vector_view<double>(a, name).size != N) {
    throw py::value_error(std::string(name) + ": need " + std::to_string(N) + " values");
  }
  return a.data();
}

/// (P,) ids, (P, 2) positions, (P,) times; the optional oracle is (P, N + 1, 2).
py::tuple step(host::ControlLoop& loop, double time, const Array<double>& robot,
               const Array<double>& goal, const Array<std::int64_t>& ids,
               const Array<double>& positions, const Array<double>& seen_at,
               const std::optional<Array<double>>& oracle) {
  loop::Observation seen;
  seen.time = time;
  seen.id = vector_view<std::int64_t>(ids, "ids");
  seen.position = matrix_view<double>(positions, "positions");
  seen.seen_at = vector_view<double>(seen_at, "seen_at");
  if (seen.position.rows != seen.id.size || seen.seen_at.size != seen.id.size ||
      (seen.id.size > 0 && seen.position.cols != 2)) {
    throw py::value_error("ids, positions and seen_at: need (P,), (P, 2) and (P,)");
  }
  MatrixView<const double> future;
  if (oracle) {
    if (oracle->ndim() != 3 || oracle->shape(0) != seen.id.size ||
        oracle->shape(1) != loop.stages() || oracle->shape(2) != 2) {
      throw py::value_error("oracle: need (P, horizon + 1, 2)");
    }
    future = {oracle->data(), seen.id.size, 2 * loop.stages(), 2 * loop.stages()};
  }
  const double* state = vector_of<4>(robot, "robot");
  const double* target = vector_of<2>(goal, "goal");
  loop::LoopResult result;
  {
    py::gil_scoped_release without_gil;
    result = loop.step(seen, state, target, future);
  }
  raise_if_failed(result.status, "ControlLoop.step");
  return result_tuple(result);
}

py::tuple people(const host::ControlLoop& loop) {
  const py::ssize_t count = loop.people(), h = loop.hypotheses(), k = loop.stages();
  Array<std::int64_t> ids(count);
  Array<bool> considered(count);
  Array<double> belief({count, h}), mean({count, h, k, py::ssize_t{2}}),
      covariance({count, h, k, py::ssize_t{3}});
  const int rows = static_cast<int>(h * k);
  for (int i = 0; i < count; ++i) {
    const auto person = loop.person(i, {belief.mutable_data(i, 0), static_cast<int>(h)},
                                    {mean.mutable_data(i, 0, 0, 0), rows, 2, 2},
                                    {covariance.mutable_data(i, 0, 0, 0), rows, 3, 3});
    ids.mutable_at(i) = person.id;
    considered.mutable_at(i) = person.considered;
  }
  return py::make_tuple(ids, belief, mean, covariance, considered);
}

void bind_control_loop(py::module_& m) {
  using host::ControlLoop;
  using host::Stage;
  py::class_<ControlLoop>(m, "ControlLoop", "See optcore.loop.ControlLoop.")
      .def(py::init([](const py::dict& config, const py::dict& model) {
             const LoopConfig c = config_from(config);
             ModelArrays arrays(model);
             raise_if_bad(host::check(c), "LoopConfig");
             raise_if_bad(host::check(arrays.model), "MotionModel");
             auto loop = std::make_unique<ControlLoop>(c, arrays.model);
             raise_if_failed(loop->status(), "ControlLoop");
             return loop;
           }),
           py::arg("config"), py::arg("model"))
      .def("step", &step, py::arg("time"), py::arg("robot"), py::arg("goal"), py::arg("ids"),
           py::arg("positions"), py::arg("seen_at"), py::arg("oracle") = py::none())
      .def("plan",
           [](const ControlLoop& loop) {
             const auto plan = loop.plan();
             Array<double> out({static_cast<py::ssize_t>(plan.rows), py::ssize_t{2}});
             std::copy_n(plan.data, 2 * plan.rows, out.mutable_data());
             return out;
           })
      .def("people", &people, "(ids, belief, mean, covariance, considered) of the last step.")
      .def("reset", &ControlLoop::reset)
      .def(
          "latency",
          [](ControlLoop& loop) {
            py::dict out;
            const py::object self = py::cast(&loop, py::return_value_policy::reference);
            for (const auto& [name, stage] :
                 {std::pair{"gp", Stage::gp}, std::pair{"belief", Stage::belief},
                  std::pair{"mpc", Stage::mpc}, std::pair{"total", Stage::total}}) {
              out[name] =
                  py::cast(&loop.latency(stage), py::return_value_policy::reference_internal, self);
            }
            return out;
          },
          "Histograms by stage; they live as long as the loop.");
}

void bind_forecaster(py::module_& m) {
  using host::Forecaster;
  py::class_<Forecaster>(m, "Forecaster", "See optcore.loop.Forecaster.")
      .def(py::init([](const py::dict& model) {
             ModelArrays arrays(model);
             raise_if_bad(host::check(arrays.model), "MotionModel");
             auto forecaster = std::make_unique<Forecaster>(arrays.model);
             raise_if_failed(forecaster->status(), "Forecaster");
             return forecaster;
           }),
           py::arg("model"))
      .def("posteriors",
           [](Forecaster& f, const Array<double>& positions) {
             const auto rows = matrix_view<double>(positions, "positions");
             if (rows.cols != 2) throw py::value_error("positions: need (n, 2)");
             Array<double> out(
                 {static_cast<py::ssize_t>(rows.rows), static_cast<py::ssize_t>(f.goals())});
             f.posteriors(rows, mutable_matrix_view<double>(out, "posterior"));
             return out;
           })
      .def("forecast", [](Forecaster& f, const Array<double>& position,
                          const Array<double>& velocity, const Array<double>& posterior, int steps,
                          double step) {
        const py::ssize_t h = f.goals() + 1, k = steps;
        const auto goals = vector_view<double>(posterior, "posterior");
        if (goals.size != f.goals()) throw py::value_error("posterior: need (G,)");
        if (steps < 1) throw py::value_error("steps: need at least 1");
        Array<double> weight(h), mean({h, k, py::ssize_t{2}}), covariance({h, k, py::ssize_t{3}});
        const int rows = static_cast<int>(h * k);
        raise_if_failed(
            f.forecast(vector_of<2>(position, "position"), vector_of<2>(velocity, "velocity"),
                       goals, steps, step, mutable_vector_view<double>(weight, "weight"),
                       {mean.mutable_data(0, 0, 0), rows, 2, 2},
                       {covariance.mutable_data(0, 0, 0), rows, 3, 3}),
            "Forecaster.forecast", "need 1 <= steps <= 128 and step > 0");
        return py::make_tuple(weight, mean, covariance);
      });
}

}  // namespace

void bind_loop(py::module_& m) {
  auto sub = m.def_submodule("loop");
  sub.attr("Histogram") = m.attr("runtime").attr("Histogram");
  bind_control_loop(sub);
  bind_forecaster(sub);
  py::list fallbacks, sides;
  for (int i = 0; i < loop::fallback_count; ++i) {
    fallbacks.append(loop::to_string(static_cast<loop::Fallback>(i)));
  }
  for (int i = 0; i < loop::side_count; ++i) {
    sides.append(loop::to_string(static_cast<loop::Side>(i)));
  }
  sub.attr("fallbacks") = py::tuple(fallbacks);
  sub.attr("sides") = py::tuple(sides);
}

}  // namespace optcore::python
