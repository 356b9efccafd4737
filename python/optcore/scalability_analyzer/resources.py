"""What holds throughput back, from a sampled pass beside the measured one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optcore._machine import usable_cpus
from optcore._native import runtime
from optcore.profiler.collectors import Counters, Gpu, SystemSampler
from optcore.profiler.stacks import call_trees, function_times, that_worked
from optcore.scalability_analyzer.config import ScalabilityConfig

__all__ = ["LimitingResource", "Looked", "limiting_resource", "look"]

_MB = float(1 << 20)


@dataclass(frozen=True)
class LimitingResource:
    """The first resource that is used up; `candidates` hold the evidence for and against all."""

    kind: str
    """cpu, gil, lock, io, memory, gpu, sleep or none"""
    evidence: str
    confidence: float
    remedy: str
    candidates: tuple[tuple[str, str], ...] = ()
    """(kind, what was seen)"""


@dataclass(frozen=True)
class Looked:
    """What the samplers saw in the pass; shares are of the time of all users' threads."""

    wall: float
    cores: int
    cpu: float
    """processors that this process kept busy, on average"""
    machine: float
    """processors that the whole machine kept busy"""
    running: float
    native: float
    lock: float
    sleep: float
    io: float
    interpreter_lock: float
    threads: int
    memory_percent: float
    """of the machine's"""
    major_faults: float
    """per second"""
    read_write_mb: float
    """per second"""
    gpu_percent: float | None
    hottest_lock: str
    hottest: str


def look(run: Callable[[], object], interval: float = 0.005) -> Looked:
    """Call `run` once, with samplers beside it."""
    import psutil

    sampler, gpu = runtime.StackSampler(interval), Gpu()
    system = SystemSampler(0.05, gpu)
    psutil.cpu_percent()
    before = Counters.now(memory=True, io=True)
    system.start()
    sampler.start()
    try:
        run()
    finally:
        sampler.stop()
        system.stop()
    after = Counters.now(memory=True, io=True)
    machine = float(psutil.cpu_percent()) / 100 * (psutil.cpu_count() or 1)
    wall = max(after.wall - before.wall, 1e-9)
    trees = call_trees(sampler, system.thread_names)
    users = {name: tree for name, tree in trees.items() if name.startswith("load-")}
    functions = function_times(that_worked(users, "") or users)
    total = sum(f.self_seconds for f in functions) or 1e-9

    def share(activity: str) -> float:
        return sum(float(getattr(f, activity)) for f in functions) / total

    def most(activity: str) -> str:
        if not functions:
            return "no function"
        top = max(functions, key=lambda f: float(getattr(f, activity)))
        return f"{top.function} ({top.file}:{top.line})"

    loads = [s.gpu_percent for s in system.samples if s.gpu_percent is not None]
    moved = sum(after.io or (0, 0)) - sum(before.io or (0, 0))
    return Looked(
        wall=wall,
        cores=usable_cpus(),
        cpu=(after.cpu - before.cpu) / wall,
        machine=machine,
        running=share("running"),
        native=share("native"),
        lock=share("lock"),
        sleep=share("sleep"),
        io=share("io"),
        interpreter_lock=share("interpreter_lock"),
        threads=len(users),
        memory_percent=float(psutil.virtual_memory().percent),
        major_faults=(after.major_faults - before.major_faults) / wall,
        read_write_mb=moved / wall / _MB,
        gpu_percent=sum(loads) / len(loads) if loads else None,
        hottest_lock=most("lock"),
        hottest=most("running"),
    )


def limiting_resource(seen: Looked, config: ScalabilityConfig) -> LimitingResource:
    """Judge what was seen: first what is certain to bind, then what the threads wait for."""
    busy, on_gil = seen.cpu / seen.cores, seen.interpreter_lock
    rules: list[tuple[bool, str, str, float, str]] = [
        (
            seen.memory_percent >= config.memory_threshold or seen.major_faults > 50,
            "memory",
            f"{seen.memory_percent:.0f} % of the machine's memory in use (limit "
            f"{config.memory_threshold:g} %), {seen.major_faults:.0f} major page faults a second",
            0.8 if seen.major_faults > 50 else 0.6,
            "a machine with more memory, or a smaller working set",
        ),
        (
            (seen.gpu_percent or 0.0) >= config.cpu_threshold,
            "gpu",
            "no GPU was seen" if seen.gpu_percent is None else f"GPU {seen.gpu_percent:.0f} % busy",
            0.8,
            "larger batches, a second GPU, or a faster one",
        ),
        (
            on_gil >= 0.2 and seen.running >= 0.05 and seen.cpu < min(1.5, 0.95 * seen.cores + 0.5),
            "gil",
            f"the users' threads waited for the interpreter lock {on_gil:.0%} of their time and "
            f"ran Python {seen.running:.0%}; {seen.cpu:.2f} processors busy of {seen.cores}; most "
            f"in {seen.hottest}",
            min(0.95, 0.6 + on_gil / 2),
            "processes or replicas instead of threads, or native code that releases the lock",
        ),
        (
            100 * busy >= config.cpu_threshold,
            "cpu",
            f"{seen.cpu:.2f} of {seen.cores} processors busy by this process ({100 * busy:.0f} %, "
            f"limit {config.cpu_threshold:g} %), {seen.machine:.2f} by the machine",
            0.9,
            "more or faster processors, or less work per call",
        ),
        (
            seen.lock >= 0.3,
            "lock",
            f"the users' threads waited for locks {seen.lock:.0%} of their time, most in "
            f"{seen.hottest_lock}",
            min(0.95, 0.5 + seen.lock / 2),
            "hold the lock for less, split it, or hand the work to a queue",
        ),
        (
            seen.io >= 0.3,
            "io",
            f"the users' threads waited for sockets, pipes or files {seen.io:.0%} of their time; "
            f"{seen.read_write_mb:.1f} MB/s read and written",
            min(0.9, 0.4 + seen.io / 2),
            "the service or disk behind the call; more users hide its latency",
        ),
        (
            100 * seen.machine / seen.cores >= config.cpu_threshold,
            "cpu",
            f"other programs keep {seen.machine - seen.cpu:.2f} of {seen.cores} processors busy",
            0.5,
            "a machine without other load",
        ),
        (
            seen.sleep >= 0.3,
            "sleep",
            f"the users' threads slept {seen.sleep:.0%} of their time; no resource is used up",
            0.7,
            "more users: the target waits for time to pass, not for a resource",
        ),
    ]  # fmt: skip
    candidates = tuple((kind, evidence) for _, kind, evidence, _, _ in rules)
    for binds, kind, evidence, confidence, remedy in rules:
        if binds:
            return LimitingResource(kind, evidence, confidence, remedy, candidates)
    return LimitingResource(
        "none",
        f"no resource near its limit: {seen.cpu:.2f} of {seen.cores} processors busy",
        0.3,
        "a larger load",
        candidates,
    )
