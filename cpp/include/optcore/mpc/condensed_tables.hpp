#pragma once

#include "optcore/core/config.hpp"

namespace optcore {

/// A model-predictive controller whose model never changes, condensed to constant tables, as
/// optcore.mpc.export_header (Python) writes them for firmware; CondensedController answers from
/// them.
///
/// The plan y = (u_0, ..., u_N-1, then the bounded states in the order of stages) is an affine
/// function of what is measured, p = (x_0, w), and of the multipliers of the plan's own bounds:
/// y = response p + offset - gram lambda, with gram = G H^-1 G', H the condensed Hessian and G the
/// map from inputs to the plan. Value i is kept in units of unit[i], a power of two near the size
/// of its bounds, so that one tolerance serves all. A bound that may be violated at the price l2
/// s^2 / 2 has 1 / l2 more on gram's diagonal; its value in y is then the state less its violation
/// s.
template <class T>
struct CondensedTables {
  int states, inputs, horizon;
  int disturbances;   ///< entries of w, constant over the horizon: x[k+1] = A x + B u + b + E w
  int values;         ///< entries of y
  int stride;         ///< from one row of gram to the next, a multiple of the widest register
  int capacity;       ///< most bounds active at once: the rank of gram, and one on its way
  const T* response;  ///< (states + disturbances, stride), one row per entry of p
  const T* offset;    ///< (stride,)
  const T* low;       ///< (stride,), infinite where there is no bound
  const T* high;      ///< (stride,)
  const T* gram;      ///< (values, stride)
  const T* unit;      ///< (stride,) > 0
};

}  // namespace optcore
