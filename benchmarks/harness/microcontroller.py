"""Programs for Arm microcontrollers: built by the cross compiler, run under QEMU.

Instructions are counted by QEMU's -icount: repeatable to the last one, blind to caches and
pipeline.
Needs gcc-arm-none-eabi, libstdc++-arm-none-eabi-newlib and qemu-system-arm.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.case import REPOSITORY, Absent

__all__ = ["BOARDS", "FLAGS", "Board", "build", "run", "size"]

_SUPPORT = REPOSITORY / "tests" / "firmware"
FLAGS = (
    "-std=c++20", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror",
    "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-use-cxa-atexit",
    "-fno-math-errno", "-ffunction-sections", "-fdata-sections",
)  # fmt: skip


@dataclass(frozen=True)
class Board:
    """A machine of QEMU's."""

    machine: str
    processor: tuple[str, ...]
    flash: str = "0x00000000"
    ram: str = "0x20000000"
    bytes: str = "0x400000"
    instructions_per_tick: float = 40.0
    """of SysTick under -icount shift=0"""


def _arm(cpu: str, *fpu: str) -> tuple[str, ...]:
    return (f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=hard", *fpu)


BOARDS = {
    "cortex-m4": Board("mps2-an386", _arm("cortex-m4", "-mfpu=fpv4-sp-d16")),
    "cortex-m7": Board("mps2-an500", _arm("cortex-m7", "-mfpu=fpv5-sp-d16")),
    "cortex-m33": Board(
        "mps2-an505", _arm("cortex-m33", "-mfpu=fpv5-sp-d16"),
        "0x10000000", "0x38000000", "0x200000", 50.0,
    ),
    "cortex-m55": Board(
        "mps3-an547", _arm("cortex-m55"), bytes="0x80000", instructions_per_tick=31.25,
    ),
}  # fmt: skip


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Absent(
            f"no {name} (apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi "
            "libstdc++-arm-none-eabi-newlib qemu-system-arm)"
        )
    return found


def build(
    board: Board,
    folder: Path,
    sources: Iterable[str | Path],
    flags: Sequence[str] = ("-O3",),
) -> Path:
    """Link `sources` (relative to `folder`) with the start-up code.

    Raises:
        Absent: no cross compiler.
        RuntimeError: what the compiler said.
    """
    program = folder / "program.elf"
    command = [
        _tool("arm-none-eabi-g++"), *board.processor, *FLAGS, *flags, *map(str, sources),
        str(_SUPPORT / "startup.cpp"), "-nostartfiles", "--specs=nano.specs",
        "--specs=rdimon.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments",
        "-T", str(_SUPPORT / "mps2.ld"), f"-Wl,--defsym=OPTCORE_FLASH={board.flash}",
        f"-Wl,--defsym=OPTCORE_RAM={board.ram}", f"-Wl,--defsym=OPTCORE_MEMORY={board.bytes}",
        "-o", program.name,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return program


def run(board: Board, program: Path, *, timeout: float = 120) -> tuple[int, str]:
    """main()'s result and what it printed; a fault gives 99."""
    command = [
        _tool("qemu-system-arm"), "-M", board.machine, "-icount", "shift=0", "-nographic",
        "-semihosting-config", "enable=on,target=native", "-kernel", str(program),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout


def size(program: Path) -> dict[str, int]:
    """Bytes of text (flash), data (flash and RAM) and bss (RAM)."""
    out = subprocess.run(
        [_tool("arm-none-eabi-size"), str(program)], capture_output=True, text=True, check=True
    ).stdout
    text, data, bss = (int(word) for word in out.splitlines()[1].split()[:3])
    return {"text": text, "data": data, "bss": bss}
