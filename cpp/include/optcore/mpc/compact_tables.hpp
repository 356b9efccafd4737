#pragma once

#include "optcore/core/config.hpp"

namespace optcore {

/// A model-predictive controller whose model never changes as few constant tables, as
/// optcore.mpc.export_header (Python, compact=True) writes them; CompactController answers from
/// them.
///
/// The plan is y = (u_0, ..., u_N-1, x_1, ..., x_N), all in units of their own: input j in unit[n +
/// j], state i in unit[i]. Only the inputs' share of what CondensedTables holds is kept, and the
/// model, which gives the states: (N m)^2 + n (n + m) numbers in place of (N (n + m))^2. So bounds
/// may be on states and inputs alone.
template <class T>
struct CompactTables {
  int states, inputs, horizon;  ///< n, m, N
  int disturbances;             ///< entries of w: x[k+1] = A x + B u + b + E w
  int values;                   ///< N (n + m)
  int stride;                   ///< values, padded
  int capacity;                 ///< most bounds active at once
  int models;                   ///< 1, or N where the model depends on the stage
  const T* response;            ///< (n + disturbances, N m): inputs of the plan without bounds
  const T* offset;              ///< (N m,)
  const T* inverse;             ///< (N m, N m): H^-1, symmetric
  const T* model;               ///< (models, n, n + m): [A B]
  const T* drift;               ///< (models, n): b
  const T* disturbance;         ///< (n, disturbances): E
  const T* low;                 ///< (stride,), infinite where there is no bound
  const T* high;                ///< (stride,)
  const T* unit;                ///< (n + m,) > 0
};

}  // namespace optcore
