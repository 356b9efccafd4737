#pragma once

#include <pybind11/stl.h>

#include <optional>
#include <vector>

#include "numpy_view.hpp"
#include "optcore/host/gp.hpp"

/// Hyper-parameters as Python hands them over.
namespace optcore::python {

inline VectorView<const double> optional_vector(const std::optional<Array<double>>& a,
                                                const char* name) {
  return a ? vector_view(*a, name) : VectorView<const double>{};
}

/// Rows of (kind, dims, first parameter, outputs, rank), as gp/kernel_node.hpp says.
inline std::vector<KernelNode> kernel_nodes(const Array<int>& a) {
  const auto rows = matrix_view(a, "nodes");
  if (rows.cols != 5) throw py::value_error("nodes: need rows of 5 numbers");
  std::vector<KernelNode> nodes;
  for (int i = 0; i < rows.rows; ++i) {
    const int* const r = rows.row_data(i);
    nodes.push_back({static_cast<KernelKind>(r[0]), r[1], r[2], r[3], r[4]});
  }
  return nodes;
}

/// Keeps the arrays that the hyper-parameters view.
struct Hyper {
  Array<double> length_scales;
  std::optional<Array<double>> mean, point_noise, parameters;
  std::vector<KernelNode> nodes;
  host::GpHyperparameters values;

  Hyper(int family, double variance, Array<double> scales, double noise,
        std::optional<Array<double>> prior, std::optional<Array<double>> noises,
        const std::optional<Array<int>>& tree, std::optional<Array<double>> tree_parameters)
      : length_scales(std::move(scales)),
        mean(std::move(prior)),
        point_noise(std::move(noises)),
        parameters(std::move(tree_parameters)) {
    if (tree) nodes = kernel_nodes(*tree);
    values = {.family = static_cast<host::GpFamily>(family),
              .variance = variance,
              .length_scales = vector_view(length_scales, "length_scales"),
              .noise = noise,
              .mean = optional_vector(mean, "mean"),
              .point_noise = optional_vector(point_noise, "point_noise"),
              .nodes = {nodes.data(), static_cast<int>(nodes.size())},
              .parameters = optional_vector(parameters, "parameters")};
  }
};

}  // namespace optcore::python
