"""The text of the generated C++."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore._header import array_lines, number

__all__ = ["CMAKE", "Parts", "belief_tables", "roots", "self_test", "step_header", "step_source"]

_Floats = NDArray[np.float64]

CMAKE = """\
cmake_minimum_required(VERSION 3.21)
project(optcore_firmware LANGUAGES CXX)
add_library(optcore_step STATIC optcore_step.cpp)
target_include_directories(optcore_step PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}
  ${CMAKE_CURRENT_SOURCE_DIR}/include)
target_compile_features(optcore_step PUBLIC cxx_std_20)
# -fno-math-errno: else every square root is a library call.
target_compile_options(optcore_step PRIVATE -fno-exceptions -fno-rtti -fno-threadsafe-statics
  -fno-math-errno)
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_SYSTEM_NAME STREQUAL "Generic")
  enable_testing()
  add_executable(self_test self_test.cpp)
  target_link_libraries(self_test PRIVATE optcore_step)
  add_test(NAME self_test COMMAND self_test)
endif()
"""


@dataclass
class Parts:
    """Which parts the program has: those of size zero are left out."""

    scalar: str
    states: int = 0
    inputs: int = 0
    dims: int = 0
    outputs: int = 0
    hypotheses: int = 0
    coupled: bool = False
    """the GP's mean is the controller's disturbance"""
    rates: bool = False
    """the state ends with the last input"""
    compact: bool = False
    """tables of the controller are compact"""
    prior_variance: float = 0.0
    """of the GP's latent function"""


def _when(condition: object, *lines: str) -> list[str]:
    return list(lines) if condition else []


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def roots(parts: Parts) -> list[str]:
    """Headers that the program includes."""
    return [
        "optcore/core/arena.hpp",
        *_when(parts.states, *(f"optcore/mpc/{name}" for name in _headers(parts))),
        *_when(parts.dims, "optcore/gp/model.hpp", "optcore/gp/tables.hpp"),
        *_when(parts.hypotheses, "optcore/belief/discrete_filter.hpp"),
    ]


def _headers(parts: Parts) -> tuple[str, str]:
    kind = "compact" if parts.compact else "condensed"
    return f"{kind}.hpp", f"{kind}_tables.hpp"


def belief_tables(transition: _Floats, prior: _Floats, scalar: str) -> str:
    return _text(
        [
            f"// {len(prior)} hypotheses. Written by optcore.export.",
            "#pragma once",
            "",
            "namespace hypotheses {",
            "",
            *array_lines("transition", transition, scalar),
            *array_lines("prior", prior, scalar),
            "",
            "}  // namespace hypotheses",
        ]
    )


def step_header(p: Parts, version: str) -> str:
    real = p.scalar
    return _text(
        [
            "/* One step of GP prediction, belief update and MPC.",
            f"   Written by optcore {version}. */",
            "#ifndef OPTCORE_STEP_H",
            "#define OPTCORE_STEP_H",
            "",
            "#include <stddef.h>",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            "enum {",
            f"  OPTCORE_STATES = {p.states},",
            f"  OPTCORE_INPUTS = {p.inputs},",
            f"  OPTCORE_DIMS = {p.dims},",
            f"  OPTCORE_OUTPUTS = {p.outputs},",
            f"  OPTCORE_HYPOTHESES = {p.hypotheses}",
            "};",
            "",
            "typedef struct {",
            *_when(
                p.states,
                f"  {real} x[OPTCORE_STATES]; /* measured state"
                + (", then the last input */" if p.rates else " */"),
            ),
            *_when(p.dims, f"  {real} query[OPTCORE_DIMS]; /* where the GP predicts */"),
            *_when(
                p.hypotheses,
                f"  {real} log_likelihood[OPTCORE_HYPOTHESES]; /* of the observation under each */",
            ),
            "} optcore_input;",
            "",
            "typedef struct {",
            *_when(p.states, f"  {real} u[OPTCORE_INPUTS]; /* to apply now */"),
            *_when(
                p.dims,
                f"  {real} mean[OPTCORE_OUTPUTS];",
                f"  {real} variance; /* of the latent function, noise not added */",
            ),
            *_when(p.hypotheses, f"  {real} belief[OPTCORE_HYPOTHESES]; /* sums to 1 */"),
            *_when(p.states, "  int iterations; /* of the MPC */"),
            "} optcore_output;",
            "",
            "/* Once, before the first step, and to start afresh. 0, or a negative status. */",
            "int optcore_init(void);",
            "",
            "/* 0, or the first negative status: -3 an input is NaN or infinite, -5 no hypothesis",
            "   explains the observation (the belief stays), -6 the cap of iterations was reached,",
            "   -7 the bounds on states cannot be kept (u still lies within its bounds), -12 not",
            "   set up. Parts after a failure are still computed. Nothing is allocated. */",
            "int optcore_step(const optcore_input* in, optcore_output* out);",
            "",
            "/* Bytes of static memory. */",
            "size_t optcore_workspace(void);",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "#endif",
        ]
    )


def step_source(p: Parts) -> str:
    real = p.scalar
    controller = "CompactController" if p.compact else "CondensedController"
    return _text(
        [
            '#include "optcore_step.h"',
            "",
            *(f'#include "{name}"' for name in roots(p)),
            *_when(p.states, '#include "controller.hpp"'),
            *_when(p.hypotheses, '#include "hypotheses.hpp"'),
            *_when(p.dims, '#include "model.hpp"'),
            "",
            "namespace {",
            "",
            f"using Real = {real};",
            "using optcore::Status;",
            *_when(
                p.states,
                "",
                f"optcore::mpc::{controller}<Real> mpc;",
                "constexpr std::size_t mpc_bytes =",
                f"    optcore::mpc::{controller}<Real>::workspace(controller::tables);",
                "alignas(64) unsigned char mpc_memory[mpc_bytes];",
            ),
            *_when(
                p.dims,
                "",
                "optcore::gp::Model<Real> gp;",
                "constexpr std::size_t gp_bytes = "
                "optcore::gp::Model<Real>::attached_workspace(model::tables);",
                "alignas(64) unsigned char gp_memory[gp_bytes];",
            ),
            *_when(
                p.hypotheses,
                "",
                "optcore::belief::DiscreteBayesFilter<Real, OPTCORE_HYPOTHESES> belief;",
            ),
            "bool ready = false;",
            "",
            "void note(Status status, int* first) {",
            "  if (optcore::failed(status) && *first == 0) *first = static_cast<int>(status);",
            "}",
            "",
            "}  // namespace",
            "",
            "int optcore_init(void) {",
            "  int status = 0;",
            *_when(
                p.states,
                "  optcore::Arena mpc_arena(mpc_memory, mpc_bytes);",
                "  mpc.attach(mpc_arena, controller::tables);",
                "  if (mpc_arena.overflowed()) note(Status::out_of_memory, &status);",
            ),
            *_when(
                p.dims,
                "  optcore::Arena gp_arena(gp_memory, gp_bytes);",
                "  note(gp.attach(gp_arena, model::tables), &status);",
                "  if (gp_arena.overflowed()) note(Status::out_of_memory, &status);",
            ),
            *_when(
                p.hypotheses,
                "  note(belief.setup(optcore::MatrixView<const Real>{hypotheses::transition,",
                "           OPTCORE_HYPOTHESES, OPTCORE_HYPOTHESES, OPTCORE_HYPOTHESES},",
                "           {hypotheses::prior, OPTCORE_HYPOTHESES}), &status);",
            ),
            "  ready = status == 0;",
            "  return status;",
            "}",
            "",
            "int optcore_step(const optcore_input* in, optcore_output* out) {",
            "  int status = 0;",
            "  if (!ready) return static_cast<int>(Status::not_ready);",
            *_when(
                p.hypotheses,
                "  note(belief.step({in->log_likelihood, OPTCORE_HYPOTHESES}), &status);",
                "  for (int i = 0; i < OPTCORE_HYPOTHESES; ++i) "
                "out->belief[i] = belief.probabilities()[i];",
            ),
            *_when(
                p.dims,
                "  bool known = true;",
                "  for (Real q : in->query) known = known && optcore::is_finite(q);",
                "  const Real nowhere[OPTCORE_DIMS] = {};",
                "  constexpr auto kernel = optcore::KernelFamily(model::tables.family);",
                "  gp.predict_as<kernel>({known ? in->query : nowhere, OPTCORE_DIMS},",
                "                        {out->mean, OPTCORE_OUTPUTS}, out->variance);",
                "  for (Real m : out->mean) known = known && optcore::is_finite(m);",
                "  if (!known) {  // as far from all data: the prior",
                "    note(Status::not_finite, &status);",
                "    for (int i = 0; i < OPTCORE_OUTPUTS; ++i) {",
                "      out->mean[i] = model::tables.mean[i];",
                "    }",
                f"    out->variance = {number(p.prior_variance, real)};",
                "  }",
            ),
            *_when(
                p.states,
                "  const optcore::mpc::CondensedInfo info = "
                + ("mpc.solve(in->x, out->mean);" if p.coupled else "mpc.solve(in->x);"),
                "  note(info.status, &status);",
                "  if (info.status != Status::not_finite) {",
                "    for (int i = 0; i < OPTCORE_INPUTS; ++i) out->u[i] = mpc.u(0, i);",
                "  }",
                "  out->iterations = info.iterations;",
            ),
            "  return status;",
            "}",
            "",
            "size_t optcore_workspace(void) {",
            "  return "
            + " + ".join(
                [
                    "0",
                    *_when(p.states, "sizeof mpc + sizeof mpc_memory"),
                    *_when(p.dims, "sizeof gp + sizeof gp_memory"),
                    *_when(p.hypotheses, "sizeof belief"),
                ]
            )
            + ";",
            "}",
        ]
    )


def self_test(p: Parts, arrays: list[str], steps: int) -> str:
    """The golden vectors and a main() that returns the number of answers that are off."""

    def copy(member: str, count: str) -> str:
        return f"    for (int i = 0; i < {count}; ++i) in.{member}[i] = {member}[t * {count} + i];"

    def check(member: str, count: str) -> list[str]:
        return [
            f"    for (int i = 0; i < {count}; ++i) {{",
            f"      const Real expected = {member}[t * {count} + i];",
            f"      off += differs(out.{member}[i], expected, {member}_tolerance[i]);",
            "    }",
        ]

    return _text(
        [
            "// Answers of the host in double precision; main() returns how many are off.",
            '#include "optcore_step.h"',
            "",
            "namespace {",
            "",
            f"using Real = {p.scalar};",
            *arrays,
            "",
            "int differs(Real got, Real expected, Real tolerance) {",
            "  const Real gap = got - expected;",
            "  return (gap < 0 ? -gap : gap) <= tolerance ? 0 : 1;",
            "}",
            "",
            "}  // namespace",
            "",
            "int main() {",
            "  int off = optcore_init() == 0 ? 0 : 1;",
            "  optcore_input in;",
            "  optcore_output out;",
            f"  for (int t = 0; t < {steps}; ++t) {{",
            *_when(p.states, copy("x", "OPTCORE_STATES")),
            *_when(p.dims, copy("query", "OPTCORE_DIMS")),
            *_when(p.hypotheses, copy("log_likelihood", "OPTCORE_HYPOTHESES")),
            "    if (optcore_step(&in, &out) != 0) ++off;",
            *(check("u", "OPTCORE_INPUTS") if p.states else []),
            *(check("mean", "OPTCORE_OUTPUTS") if p.dims else []),
            *_when(p.dims, "    off += differs(out.variance, variance[t], variance_tolerance[0]);"),
            *(check("belief", "OPTCORE_HYPOTHESES") if p.hypotheses else []),
            "  }",
            "  return off < 100 ? off : 100;",
            "}",
        ]
    )
