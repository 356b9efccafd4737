"""How fast a robot learns: returns by episode, beside the optimum and beside peers.

    python benchmarks/learning.py [PART ...] [--seeds 10] [--first-seed 0]

pendulum      Pendulum-v1, three episodes of 200 steps: return beside that of predictive control
              with the true model and four times the effort, from the same starts.
cart_pole     the swing-up of PILCO and GP-MPC; solved: over the last second the rod's tip is on
              average nearer than 12 cm to where it should be (mean reward of 0.9).
limits        the same cart, with limits nearer than the ends of its track: steps beyond them.
mountain_car  MountainCarContinuous-v0; solved: a return of 90, as Gymnasium documents.
finite        FrozenLake-v1, Taxi-v3 and RiverSwim: regret of PSRL, Q-learning and UCRL2.
sac           stable-baselines3's SAC on Pendulum-v1 at the same number of steps (needs it).

The result goes to benchmarks/results/learning.json; parts not asked for stay as they were there.
Each seed runs on one core; times are of the plans alone, wall clock and processor time.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "learning.json"
PARTS = ("pendulum", "cart_pole", "limits", "mountain_car", "finite", "sac")


def main() -> None:
    import one_thread

    one_thread.pin()
    from learning_support import runs

    parser = argparse.ArgumentParser(description="How fast a robot learns.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all but sac")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    if set(args.parts) - set(PARTS):
        parser.error(f"parts: need some of {', '.join(PARTS)}, got {' '.join(args.parts)}")
    if args.seeds < 1 or args.first_seed < 0:
        parser.error("--seeds: need at least 1; --first-seed: at least 0")
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    for name in args.parts or PARTS[:-1]:
        start = time.time()
        figures = runs.PARTS[name](seeds)
        figures |= {"seeds": args.seeds, "first_seed": args.first_seed}
        figures |= {"seconds": round(time.time() - start, 1)}
        # read late: another part may have been run meanwhile
        result = json.loads(args.out.read_text()) if args.out.exists() else {}
        result |= {name: figures, "processor": _processor(), "published": runs.PUBLISHED}
        args.out.parent.mkdir(exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    main()
