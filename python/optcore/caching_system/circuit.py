"""A circuit breaker: a service that failed is left alone until it answers again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["Circuit"]

_log = logging.getLogger("optcore.caching_system")


class Circuit:
    """Closed while a service answers. A failure opens it and starts one thread that asks again.

    The thread tries `probe` every `retry_after` seconds and closes the circuit when it succeeds, so
    that no caller ever waits for a service that is away. Callers look at :attr:`open` only.

    Args:
        name: of the service, for the log.
        probe: returns when the service answers, raises otherwise.
        retry_after: s between probes.
    """

    def __init__(self, name: str, probe: Callable[[], object], retry_after: float) -> None:
        self.name, self.open, self.openings = name, False, 0
        self._probe, self._retry_after = probe, retry_after
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def trip(self, error: BaseException) -> None:
        """Open after a failure; logs one warning for each opening."""
        with self._lock:
            if self.open or self._closing.is_set():
                return
            self.open = True
            self.openings += 1
            threading.Thread(target=self._wait, name=f"{self.name}-probe", daemon=True).start()
        _log.warning(
            "%s is left alone until it answers (asked every %g s): %s",
            self.name, self._retry_after, error,
        )  # fmt: skip

    def _wait(self) -> None:
        while not self._closing.wait(self._retry_after):
            try:
                self._probe()
            except Exception as error:  # noqa: PERF203
                _log.debug("%s is still away: %s", self.name, error)
            else:
                self.open = False
                _log.info("%s answers again", self.name)
                return

    def close(self) -> None:
        """End the thread; the circuit stays as it is."""
        self._closing.set()
