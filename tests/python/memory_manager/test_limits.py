"""Out of memory by the system's own limit: a clear error, and a pool that goes on."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from optcore.memory_manager import MemoryConfig, MemoryManager
import numpy as np

memory = MemoryManager(MemoryConfig(enable_monitoring=False))
kept = memory.get_numpy_array(1000, fill=7)
status = dict(line.split(":") for line in open("/proc/self/status"))
now = int(status["VmSize"].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20), now + (256 << 20)))

held = []
try:
    while True:
        held.append(memory.get_numpy_array(8 << 17, fill=1))  # 8 MB
except MemoryError as error:
    print("refused:", error)
assert 10 < len(held) < 40, len(held)
assert all((one == 1).all() for one in held) and (kept == 7).all()
try:
    memory.preallocate(64 << 20)
except MemoryError:
    print("refused again")
while held:
    memory.return_numpy_array(held.pop())
again = memory.get_numpy_array(8 << 17, fill=2)
assert (again == 2).all() and (kept == 7).all()
stats = memory.get_memory_stats()
assert stats.outstanding == 2, stats
print("went on")
"""


def test_a_process_at_its_address_limit_gets_a_memory_error_and_goes_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first.startswith("refused:")
    assert "8388608" in first or "8 MB" in first or "MB" in first
    assert (second, third) == ("refused again", "went on")
