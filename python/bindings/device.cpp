#include "optcore/host/device.hpp"

#include <pybind11/native_enum.h>

#include "module.hpp"

namespace optcore::python {

void bind_device(py::module_& m) {
  using host::Device;
  py::class_<Device>(m, "Device", "Where a batch call runs.")
      .def_static("cpu", &Device::cpu)
      .def_static("cuda", &Device::cuda, py::arg("index") = 0)
      .def("__repr__", [](const Device& d) {
        return d.kind == Device::Kind::cpu ? std::string("Device.cpu()")
                                           : "Device.cuda(" + std::to_string(d.index) + ")";
      });
  m.def(
      "describe",
      [](Device device) {
        const host::DeviceInfo info = host::describe(device);
        return py::make_tuple(!failed(info.status), info.name, info.memory_bytes);
      },
      py::arg("device"), "(usable, name or reason, memory in bytes)");
  m.def("cpu_isa", &host::cpu_isa, "Instruction set of the CPU kernels in this process.");

  py::native_enum<Status> status(m, "Status", "enum.IntEnum",
                                 "Outcome of a native call; negative means failed.");
  for (int value = -12; value <= 4; ++value) {
    status.value(to_string(static_cast<Status>(value)), static_cast<Status>(value));
  }
  status.finalize();
}

}  // namespace optcore::python
