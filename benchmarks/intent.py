"""How well people are forecast and their goals guessed, scene by scene.

    python benchmarks/intent.py FOLDER [--json FILE] [--seed N]

FOLDER holds the recordings (eth/seq_eth.csv, ucy/crowds_zara01.txt, ...); they are not part of the
repository. Everything is learned from the first 60 % of a recording by time and measured on people
who appear after it: 8 rows of 0.4 s seen, 12 forecast; goals are k-means on the ends of training
tracks (k = 4), the true goal is the one nearest to a track's end, the belief is read when half of
the track was seen.

`chance` is the mean calibration error of a belief that is calibrated perfectly, on as many tracks
(labels drawn from the belief itself): ten bins of few tracks are never level. `CV` is constant
velocity, `best20` the best of twenty futures drawn, chosen apart for ADE and for FDE.

Published best-of-20 figures (Gupta et al., "Social GAN", CVPR 2018; Salzmann et al.,
"Trajectron++", ECCV 2020) train on four other scenes and test on all of the fifth, and their ETH
file steps 0.67 s, not 0.4 s: a yardstick, no contest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from optcore.crowd import read_scene, split_by_time
from optcore.loop import Forecaster, learn_motion_model
from optcore.loop.learning import resample
from optcore.run.evaluation import evaluate_intent, evaluate_prediction
from optcore.run.metrics import intent_scores

SCENES = {
    "eth": "eth/seq_eth.csv",
    "zara01": "ucy/crowds_zara01.txt",
    "zara02": "ucy/crowds_zara02.txt",
    "students003": "ucy/students003.txt",
}
PUBLISHED = {  # best of 20, ADE / FDE in m: Social GAN, Trajectron++
    "eth": ("0.81/1.52", "0.39/0.83"),
    "zara01": ("0.34/0.69", "0.15/0.33"),
    "zara02": ("0.42/0.84", "0.11/0.25"),
    "students003": ("0.60/1.26", "0.20/0.44"),
}
TRAINING_SHARE = 0.6
DRAWS = 200


def chance_calibration_error(confidences: list[list[float]], seed: int) -> float:
    """Mean calibration error if every belief were right as often as it says."""
    posterior = np.array(confidences)
    cumulative = posterior.cumsum(axis=1)
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(DRAWS):
        drawn = (cumulative < rng.random((len(posterior), 1))).sum(axis=1)
        truth = drawn.clip(0, posterior.shape[1] - 1)
        errors.append(intent_scores(posterior, posterior[0], truth)["ece"])
    return float(np.mean(errors))


def measure(path: Path, seed: int) -> dict[str, Any]:
    split = split_by_time(read_scene(path), TRAINING_SHARE)
    model = learn_motion_model(split.training, seed=seed)
    tracks, counted = split.test.tracks, split.counted
    intent, people, _ = evaluate_intent(model, tracks, counted)
    forecaster = Forecaster(model)
    judged = set(people.tolist())
    half = []
    for track in tracks:
        rows = resample(track, model.belief_period)
        if track.person in judged and track.complete and len(rows) >= 10:
            half.append(forecaster.posteriors(rows)[max(len(rows) // 2 - 1, 0)].tolist())
    return {
        "intent": {**intent, "ece_by_chance": chance_calibration_error(half, seed)},
        "prediction": evaluate_prediction(model, tracks, counted, seed),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Forecasts and goal beliefs on recorded people.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = {name: measure(args.folder / file, args.seed) for name, file in SCENES.items()}
    print(
        f"{'forecast, m':12} {'ADE':>6} {'CV':>6} {'FDE':>6} {'CV':>6} {'less':>6} "
        f"{'best20':>11} {'Social GAN':>10} {'Traj++':>9} {'in 50/90/99 %':>13} {'windows':>7}"
    )
    less = []
    for name, figures in found.items():
        p = figures["prediction"]
        inside = "/".join(f"{100 * p['coverage'][level]:.0f}" for level in ("50", "90", "99"))
        print(
            f"{name:12} {p['ade_m']:6.3f} {p['cv_ade_m']:6.3f} {p['fde_m']:6.3f} "
            f"{p['cv_fde_m']:6.3f} {100 * (1 - p['fde_m'] / p['cv_fde_m']):5.1f}% "
            f"{p['best_of_20_ade_m']:5.3f}/{p['best_of_20_fde_m']:5.3f} {PUBLISHED[name][0]:>10} "
            f"{PUBLISHED[name][1]:>9} {inside:>13} {p['windows']:7d}"
        )
        less.append(1 - p["fde_m"] / p["cv_fde_m"])
    print(f"mean FDE {100 * np.mean(less):.1f} % under constant velocity")
    print(
        f"\n{'goal at half':12} {'top-1':>6} {'prior':>6} {'NLL':>6} {'prior':>6} {'Brier':>6} "
        f"{'ECE':>6} {'chance':>6} {'tracks':>7}"
    )
    for name, figures in found.items():
        i = figures["intent"]
        print(
            f"{name:12} {i['top1']:6.3f} {i['prior_top1']:6.3f} {i['nll']:6.3f} "
            f"{i['prior_nll']:6.3f} {i['brier']:6.3f} {i['ece']:6.3f} {i['ece_by_chance']:6.3f} "
            f"{i['tracks']:7d}"
        )
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
