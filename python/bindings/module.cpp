#include "module.hpp"

PYBIND11_MODULE(_native, m) {
  using namespace optcore::python;
  m.doc() = "Native core of optcore. Checked and documented in the optcore packages; use those.";
  bind_device(m);
  bind_runtime(m);
  bind_belief(m);
  bind_gp(m);
  bind_loop(m);
  bind_mpc(m);
  bind_dense_qp(m);
  bind_planning(m);
  bind_models(m);
}
