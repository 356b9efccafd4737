"""Follows the tags that other hosts invalidate, through Redis."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any

from optcore.caching_system.redis_link import Link
from optcore.caching_system.tags import TagSlots

__all__ = ["TagListener", "announcement"]

_log = logging.getLogger("optcore.caching_system")
_PING_S = 2.0
_KEEP_LARGER = (  # numbers are written with 20 digits: strings compare as they do
    b"local old=redis.call('hget',KEYS[1],ARGV[1]) "
    b"if old and old>=ARGV[2] then return old end "
    b"redis.call('hset',KEYS[1],ARGV[1],ARGV[2]) "
    b"redis.call('publish',KEYS[1],ARGV[1]..' '..ARGV[2]) return ARGV[2]"
)


def announcement(name: bytes, slot: int, number: int) -> tuple[Any, ...]:
    """The command that stores a slot's number, if it is newer, and tells who listens."""
    return (b"EVAL", _KEEP_LARGER, 1, name, slot, b"%020d" % number)


class TagListener:
    """A thread that merges the numbers of all hosts.

    The channel has the name of the hash that holds the numbers. After each connection the hash is
    read and what is newer here is written, so that nothing said in the meantime is lost: a host
    that was cut off serves tagged entries as it last knew them, and learns the rest on return.
    """

    def __init__(self, link: Link, name: bytes, tags: TagSlots, retry_after: float) -> None:
        self._link, self._name, self._tags, self._retry_after = link, name, tags, retry_after
        self._closing = threading.Event()
        self.ready = threading.Event()  #: while connected, once the numbers have been exchanged
        self._learned = threading.Event()  # stays set: what was learned, tags.py remembers
        self._waited = False
        self._thread = threading.Thread(target=self._run, name="optcore-tags", daemon=True)
        self._thread.start()

    def learned(self, patience: float) -> bool:
        """Whether the numbers were ever exchanged; the first caller waits for it."""
        if not self._learned.is_set() and not self._waited:
            self._waited = patience > 0
            self._learned.wait(patience)
        return self._learned.is_set()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow()
            except Exception as error:
                _log.debug("tags: %s", error)
            self.ready.clear()
            self._closing.wait(self._retry_after)

    def _follow(self) -> None:
        subscription = self._link.subscription(self._name)
        with contextlib.closing(subscription):
            heard = asked = time.monotonic()
            while not self._closing.is_set():
                message = subscription.get_message(timeout=0.2)
                now = time.monotonic()
                if message is not None:
                    heard = now
                    if message["type"] == "subscribe":
                        self._exchange()
                    elif message["type"] == "message":
                        slot, number = message["data"].split()
                        self._tags.merge(int(slot), int(number))
                elif now - heard > 3 * _PING_S:
                    return  # a line that is dead without a word
                elif now - asked > _PING_S:
                    subscription.ping()
                    asked = now

    def _exchange(self) -> None:
        for slot, number in self._tags.used().items():
            self._link.call(announcement(self._name, slot, number))
        pairs = self._link.call((b"HGETALL", self._name))
        pairs = (
            list(pairs.items())
            if isinstance(pairs, dict)
            else zip(pairs[::2], pairs[1::2], strict=True)
        )
        for slot, number in pairs:
            self._tags.merge(int(slot), int(number))
        self.ready.set()
        self._learned.set()
