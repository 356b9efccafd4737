"""Instructions of the hot calls, counted by callgrind: the same on an idle and on a busy machine.

    python benchmarks/instructions.py            beside the recorded counts; fails above +2 %
    python benchmarks/instructions.py --record   writes them down

Counts depend on the compiler, so only counts of the same one are compared. AVX2 code is counted:
valgrind knows no AVX-512. Needs valgrind and `make bench-build`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from harness.native import instructions

RECORDS = Path(__file__).parent / "native" / "instructions.json"
CALLS = {
    "belief/step/s8": ("belief_probe", "step", "8"),
    "belief/imm/d4": ("belief_probe", "imm", "4"),
    "gp/cholesky/n64": ("gp_probe", "cholesky", "64"),
    "gp/cholesky/n200": ("gp_probe", "cholesky", "200"),
    "gp/predict/n200_m1": ("gp_probe", "predict", "200"),
    "mpc/factorise/8_3_15": ("mpc_probe", "factorise", "8"),
    "mpc/factorise/12_4_30": ("mpc_probe", "factorise", "12"),
    "mpc/cold/8_3_15": ("mpc_probe", "cold", "8"),
    "mpc/cold/12_4_30": ("mpc_probe", "cold", "12"),
    "mpc/cold_kept_model/8_3_15": ("mpc_probe", "kept", "8"),
    "mpc/cold_kept_model/12_4_30": ("mpc_probe", "kept", "12"),
    "mpc/warm/8_3_15": ("mpc_probe", "warm", "8"),
    "mpc/warm/12_4_30": ("mpc_probe", "warm", "12"),
}
TOLERANCE = 1.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    record = parser.parse_args().record
    compiler = subprocess.run(
        ["c++", "-dumpfullversion"], capture_output=True, text=True, check=True
    ).stdout.strip()
    kept = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    known = compiler in kept
    before = kept.setdefault(compiler, {})
    slower = unrecorded = 0
    for name, (executable, *arguments) in CALLS.items():
        probe = instructions(executable, function="*probed*", arguments=arguments)
        count = int(probe.sample(1)[0])
        text = f"{name:24}{count:12,}"
        if not record and name in before:
            text += f"   recorded {before[name]:12,}   x {count / before[name]:.3f}"
            slower += count > TOLERANCE * before[name]
        elif not record and known:
            text += "   not recorded: run with --record"
            unrecorded += 1
        print(text)
        before[name] = count if record else before.get(name, count)
    if record:
        RECORDS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return 1 if slower or unrecorded else 0


if __name__ == "__main__":
    raise SystemExit(main())
