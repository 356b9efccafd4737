"""The format of a run's result, key by key.

`summary`, and what `--json` holds; of several scenes the same keys pooled at the top level, and
each scene's own under "scenes". What could not be measured is null.

    format "optcore-run/2"      partial: interrupted before its end
    scene        name, source, kind "replay" | "reactive", duration_s, people, people_evaluated,
                 row_period_s, notes [sentence]
    options      period_s, forecast, seed, people_limit, horizon_s, steps
    cycles       number of control cycles
    latency_us   gp, belief, mpc, total: each p50, p99, max, histogram [[upper edge, count]]
    deadline_misses   10ms, 1ms: cycles that took longer
    prediction   ade_m, fde_m, cv_ade_m, cv_fde_m (constant velocity on the same windows), windows,
                 horizon_s, best_of_20_ade_m, best_of_20_fde_m, coverage {50, 90, 99}
    intent       top1, nll, brier, ece, prior_top1, prior_nll, tracks, at {25, 50, 75: the same},
                 reliability [{low, high, confidence, accuracy, count}]
    safety       min_distance_m, robot_caused_collisions, contacts_at_standstill,
                 contact_distance_m, near_share, risk_budget given to the constraints,
                 risk_promised by the plans as the forecast has it, risk_observed had every plan
                 been followed to its end
    robot        start, goal, time_to_goal_s, path_length_m, straight_line_m, reached,
                 crossings [{start_s, time_to_goal_s, path_length_m, straight_line_m, reached}],
                 standstill_s, standstill_without_reason_s
    fallbacks    cycles by kind of plan
    environment  optcore, python, numpy, cpu, isa, cores, git, time

`trace`, and what `--trace` holds; C cycles, R rows of (cycle, person) ordered by cycle, H
hypotheses of which the last is constant velocity, G = H - 1 goals, F forecast instants, N steps of
the plan, K kinds of plan, Q people judged for intent.

    time (C,) s    robot (C, 4) x y vx vy    command (C, 2) m/s2    plan (C, N+1, 2) m
    step_s () s    fallback (C,) index into fallback_names (K,)    side (C,)
    risk (C,), risk_budget (C,) joint probability of contact over the horizon
    min_distance (C,) m, NaN when nobody is there    latency_us (C, 4) gp belief mpc total
    person_cycle (R,) index into time    person_id (R,)    person_position (R, 2) m, true now
    person_observed (R, 2) m, what the tracker gave    belief (R, H)
    forecast_mean (R, F, 2) m    forecast_cov (R, F, 3) m2 xx xy yy    forecast_time (F,) s ahead
    goals (G, 2) m    start (2,)    goal (2,) of the first crossing    contact_distance () m
    hypothesis_names (H,)    true_goal_person (Q,), true_goal (Q,): the goal each one reached
"""

from __future__ import annotations

__all__ = ["FORMAT"]

FORMAT = "optcore-run/2"
"""Written into every file; raised when a key changes its meaning or goes away.

1: first format.
2: safety.risk_promised is what the plans carry; the budget has its own key, risk_budget.
"""
