"""The distributed level: checked frames in Redis, behind a circuit breaker.

Nothing here raises or waits for long: one wait is at most `redis_timeout`, a whole answer five of
them, and after a failure no call touches the network until a probe has been answered. A value that
a slow line (64 MB/s) could not carry in that time is not sent: 16 MB with the default time-out.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from optcore._native import runtime
from optcore.caching_system.circuit import Circuit
from optcore.caching_system.config import CacheConfig
from optcore.caching_system.frame import BadFrame, Decoded, decode
from optcore.caching_system.leases import Lease
from optcore.caching_system.redis_link import Link, refusals
from optcore.caching_system.tag_listener import TagListener, announcement
from optcore.caching_system.tags import TagSlots

__all__ = ["RedisLease", "RedisTier"]

_MAC_BYTES = 32
_CENTURY_S = 3.2e9  # what lives longer does so for ever
_FREE = b"if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end return 0"
_FAILED: Any = object()


class RedisTier:
    """Frames under `prefix`:v:KEY; every trouble is a miss, a count, and never an exception.

    A value whose replacement or removal did not reach Redis is refused here, and removed there
    before the circuit closes again; a process that ends earlier leaves it to be found.
    """

    def __init__(self, config: CacheConfig, tags: TagSlots) -> None:
        self.hits = self.misses = self.errors = self.skipped = self.refused = 0
        self._config, self._tags = config, tags
        self._prefix = config.redis_prefix.encode()
        self._secret = config.signing_key.encode() if config.signing_key else None
        self._tags_name = self._prefix + b":tags"
        self.latency = runtime.Histogram()
        self._outdated: set[bytes] = set()  # names; what Redis has of them is older
        self._clear_due = False
        self._listener: TagListener | None = None
        self._link = Link(config)
        self.renew()

    def renew(self) -> None:
        """In a forked child: new connections, and threads of its own where they are needed."""
        self._link.renew()
        self._circuit = Circuit(
            f"redis {self._link.address}", self._return, self._config.redis_retry_after
        )
        self._starting = threading.Lock()
        listened, self._listener = self._listener is not None, None
        if listened:
            self.listen()

    @property
    def circuit_open(self) -> bool:
        return self._circuit.open

    def get(self, key: bytes) -> Decoded | None:
        if self._is_outdated(key):
            return None
        start = time.perf_counter_ns()
        payload = self._ask(b"GET", self._name(key))
        if payload is _FAILED:
            return None
        found = self._read(key, payload)
        self.latency.record(time.perf_counter_ns() - start)
        return found

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Decoded]:
        """What is there of several keys, in one round trip."""
        keys = [key for key in keys if not self._is_outdated(key)]
        answers = self._ask_many([(b"GET", self._name(key)) for key in keys])
        read = {k: self._read(k, a) for k, a in zip(keys, answers, strict=True) if a is not _FAILED}
        return {key: found for key, found in read.items() if found is not None}

    def put(self, key: bytes, frame: bytes, ttl: float) -> bool:
        if len(frame) > self._link.largest:
            return self._settle(key, False)
        return self._settle(key, self._ask(*self._set(key, frame, ttl)) is not _FAILED)

    def put_many(self, frames: Sequence[tuple[bytes, bytes, float]]) -> list[bool]:
        """Store each (key, frame, ttl) in one round trip; whether it was taken."""
        fits = [len(frame) <= self._link.largest for _, frame, _ in frames]
        small = [self._set(*entry) for entry, fit in zip(frames, fits, strict=True) if fit]
        answers = iter(self._ask_many(small))
        return [
            self._settle(entry[0], fit and next(answers) is not _FAILED)
            for entry, fit in zip(frames, fits, strict=True)
        ]

    def delete(self, key: bytes) -> bool:
        answer = self._ask(b"DEL", self._name(key))
        if answer is _FAILED:
            self._outdate(key)
        else:
            self._outdated.discard(self._name(key))
        return bool(answer == 1)

    def clear(self) -> None:
        """Remove all frames under the prefix, a page at a time; now or when Redis is back."""
        if self._circuit.open or self._guard(self._remove_all) is _FAILED:
            self._clear_due |= self._circuit.open

    def _settle(self, key: bytes, taken: bool) -> bool:
        """See to it that an older value goes where a newer one was not taken."""
        if taken:
            self._outdated.discard(self._name(key))
        elif self._circuit.open:
            self._outdate(key)
        else:
            self.delete(key)
        return taken

    def _outdate(self, key: bytes) -> None:
        self._outdated.add(self._name(key))
        if len(self._outdated) > self._config.max_entries:
            self._outdated.clear()
            self._clear_due = True

    def _is_outdated(self, key: bytes) -> bool:
        if not self._outdated or self._name(key) not in self._outdated:
            return False
        self.misses += 1
        self.delete(key)
        return True

    def _return(self) -> None:
        """The probe: returns when Redis answers and holds nothing that is known to be outdated."""
        self._link.ping()
        if self._clear_due:
            with contextlib.suppress(*refusals()):
                self._remove_all()
            self._clear_due = False
        names = list(self._outdated)
        for i in range(0, len(names), 1000):
            page = names[i : i + 1000]
            answers = self._link.call_many([(b"UNLINK", name) for name in page])
            self._outdated.difference_update(
                name
                for name, answer in zip(page, answers, strict=True)
                if not isinstance(answer, Exception)
            )

    def _remove_all(self) -> None:
        literal = re.sub(rb"([*?\[\]\\])", rb"\\\1", self._prefix)
        self._link.remove_all(literal + b":v:*")

    def lease(self, key: bytes, seconds: float) -> RedisLease:
        """One computation of a key among all hosts; ends by itself after `seconds`."""
        return RedisLease(self, self._prefix + b":lease:" + key.hex().encode(), seconds)

    def announce(self, slot: int, number: int) -> None:
        """Tell all hosts the new number of a tag's slot, now or when Redis is back."""
        self._ask(*announcement(self._tags_name, slot, number))
        self.listen()

    @property
    def listener(self) -> TagListener | None:
        return self._listener

    def listen(self) -> TagListener:
        """Follow the other hosts' tags from now on, in a thread."""
        with self._starting:
            if self._listener is None:
                self._listener = TagListener(
                    self._link, self._tags_name, self._tags, self._config.redis_retry_after
                )
            return self._listener

    def synced(self) -> bool:
        """Whether the tags of all hosts were learned; the first call waits for it a little."""
        return self.listen().learned(0.0 if self._circuit.open else self._config.redis_timeout)

    def close(self) -> None:
        self._circuit.close()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._link.close()

    def _name(self, key: bytes) -> bytes:
        return self._prefix + b":v:" + key.hex().encode()

    def _set(self, key: bytes, frame: bytes, ttl: float) -> tuple[Any, ...]:
        name = self._name(key)
        payload = frame if self._secret is None else self._mac(name, frame) + frame
        if ttl >= _CENTURY_S:
            return (b"SET", name, payload)
        return (b"SET", name, payload, b"PX", max(1, round(ttl * 1000)))

    def _mac(self, name: bytes, frame: Any) -> bytes:
        assert self._secret is not None
        mac = hmac.new(self._secret, name, hashlib.sha256)
        mac.update(frame)
        return mac.digest()

    def _read(self, key: bytes, payload: Any) -> Decoded | None:
        if payload is None:
            self.misses += 1
            return None
        try:
            if type(payload) is not bytes:
                raise BadFrame("not a string")
            frame = memoryview(payload)
            if self._secret is not None:
                mac, frame = payload[:_MAC_BYTES], frame[_MAC_BYTES:]
                if not hmac.compare_digest(mac, self._mac(self._name(key), frame)):
                    raise BadFrame("signature differs")
            decoded = decode(key, frame)
        except BadFrame:
            self.refused += 1
            self.misses += 1
            self.delete(key)
            return None
        if decoded.stamps and not (self.synced() and self._tags.valid(decoded.stamps)):
            self.misses += 1
            return None
        self.hits += 1
        return decoded

    def _ask(self, *command: Any) -> Any:
        """The answer to one command, or _FAILED."""
        if self._circuit.open:
            self.skipped += 1
            return _FAILED
        return self._guard(lambda: self._link.call(command))

    def _ask_many(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        if self._circuit.open:
            self.skipped += 1
            return [_FAILED] * len(commands)
        answers = self._guard(lambda: self._link.call_many(commands))
        if answers is _FAILED:
            return [_FAILED] * len(commands)
        bad = [isinstance(answer, Exception) for answer in answers]
        self.errors += sum(bad)
        return [_FAILED if b else a for a, b in zip(answers, bad, strict=True)]

    def _guard(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except refusals():  # the server is there and says no: WRONGTYPE, OOM, READONLY
            self.errors += 1
            return _FAILED
        except Exception as error:
            self.errors += 1
            self._circuit.trip(error)
            return _FAILED


class RedisLease(Lease):
    """A key that one host sets, with a token that only it knows."""

    def __init__(self, tier: RedisTier, name: bytes, seconds: float) -> None:
        super().__init__()
        self._tier, self._name, self._ms = tier, name, max(1, round(seconds * 1000))
        self._token = secrets.token_bytes(16)
        self._held = False

    def _acquire(self) -> bool:
        command = (b"SET", self._name, self._token, b"NX", b"PX", self._ms)
        answer = self._tier._ask(*command)
        self._held = answer is not None and answer is not _FAILED
        return answer is not None  # no server: compute

    def _free(self) -> None:
        if self._held:
            self._held = False
            self._tier._ask(b"EVAL", _FREE, 1, self._name, self._token)
