#pragma once

// Definitions of gp/model.hpp: answers from constant tables.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD Status Model<T>::attach(Arena& arena, const Tables<T>& tables) noexcept {
  bind_scratch(arena, tables.stride, tables.dims);
  composite_.bind(arena, tables.parameter_count);
  if (scratch_ == nullptr) return Status::ok;  // measuring
  family_ = static_cast<KernelFamily>(tables.family);
  if (family_ == KernelFamily::composite) {
    const Status set = composite_.set({tables.nodes, tables.node_count},
                                      {tables.parameters, tables.parameter_count}, tables.dims);
    if (failed(set)) return set;
  }
  if (tables.stride < linalg::padded<T>(tables.points)) return Status::invalid_argument;
  // Queries only read what these views name; fit(), append() and drop() refuse.
  const auto table = [](const T* data) { return const_cast<T*>(data); };
  attached_ = true;
  capacity_ = 0;
  size_ = tables.points;
  outputs_ = tables.outputs;
  variance_ = tables.variance;
  noise_ = tables.noise;
  with_inverse_ = inverse_valid_ = false;
  inputs_ = {table(tables.inputs), tables.dims, tables.stride};
  factor_ = {table(tables.factor), tables.points, tables.stride};
  weights_ = {table(tables.weights), tables.outputs, rows(), tables.stride};
  scale_ = {table(tables.scales), tables.dims};
  prior_mean_ = {table(tables.mean), tables.mean_count};
  return Status::ok;
}

}  // namespace optcore::inline OPTCORE_ISA::gp
