"""Public keys of signers as the DNS has them: the only file that knows dnspython.

A letter does not wait for the DNS. Names are asked for ahead, by the first letter that has one, and
answers are kept for as long as they say; shortly before that ends they are asked for anew. A letter
that meets a name nobody asked for waits for half a second, while the question goes on for the next
letter; and no letter waits while no answer comes at all. May be called in any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.resolver

# What a letter waits at most. A resolver nearby that has to ask on takes a tenth of it.
WAIT_SECONDS_MAX = 0.5
# While no answer comes no letter waits but one in this time.
SILENT_SECONDS = 30.0
# A question that has no answer by then has none for long.
QUESTION_SECONDS_MAX = 5.0
# Questions under way, each a thread: a silent resolver is not asked for every name there is.
QUESTIONS_MAX_COUNT = 8
NAME_MAX_OCTETS = 255  # RFC 1035 §2.3.4: there is no longer name, and none is remembered.
CACHE_MAX_COUNT = 1_000  # Signers are few: a company's mail system and whoever forwards to it.
# A key that is not there yet is published soon; one that is there for a moment is still asked for.
KEPT_SECONDS_MIN, KEPT_WITHOUT_SECONDS = 10.0, 60.0
# A TTL may say 68 years (RFC 2181 §8), and a key that was taken back would hold until a restart.
KEPT_SECONDS_MAX = 86_400.0
# Asked for anew with this share of its time left.
ASKED_ANEW_SHARE = 0.2


class NoResolver(Exception):
    """The system does not say whom to ask."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the DNS said of a name, from when it is asked for anew, and how long it holds."""

    record: bytes | None
    is_known: bool
    """Whether it said anything."""
    anew_at: float
    until: float

    def value(self) -> bytes | None:
        """Return the record, `None` where there is none; TimeoutError if nothing is known."""
        if not self.is_known:
            raise TimeoutError
        return self.record


class _Question:
    """One that is under way: what tells of its end, and whether a letter waited in vain."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.is_late = False


class DnsKeys:
    """A resolver with a memory; a call of it finds a key, or says that there is none."""

    def __init__(
        self,
        name_servers: tuple[str, ...] = (),
        port: int = 53,
        clock: Callable[[], float] = time.monotonic,
        *,
        wait_seconds: float = WAIT_SECONDS_MAX,
    ) -> None:
        """Ask the given servers, by default those of the system; `clock` gives seconds."""
        try:
            self._resolver = dns.resolver.Resolver(configure=not name_servers)
        except dns.resolver.NoResolverConfiguration as error:
            raise NoResolver(str(error)) from error
        if name_servers:
            self._resolver.nameservers = list(name_servers)
            self._resolver.port = port
        self._clock = clock
        self._wait_seconds = wait_seconds
        # All below is read and written with the lock only.
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._asked: dict[bytes, _Question] = {}
        self._silent_until = 0.0

    def __call__(self, name: bytes, timeout: int) -> bytes | None:
        """Return the TXT record of a name, `None` without one; TimeoutError without an answer."""
        name = _plain(name)
        if len(name) > NAME_MAX_OCTETS:
            return None
        with self._lock:
            kept, question = self._look_up(name)
            if kept is not None:
                return kept.value()
            is_silent = self._clock() < self._silent_until
            if question is None or question.is_late or is_silent:
                raise TimeoutError
        has_ended = question.ended.wait(min(float(timeout), self._wait_seconds))
        with self._lock:
            kept = self._kept.get(name)
            if has_ended and kept is not None:
                return kept.value()
            question.is_late = True
            self._silent_until = self._clock() + SILENT_SECONDS
        raise TimeoutError

    def ask(self, name: bytes) -> None:
        """Ask for the record of a name that is needed soon, without waiting for it."""
        name = _plain(name)
        if len(name) <= NAME_MAX_OCTETS:
            with self._lock:
                self._look_up(name)

    def _look_up(self, name: bytes) -> tuple[_Kept | None, _Question | None]:
        """Return what is kept of a name, and the question for it that is under way, if any is."""
        kept, now = self._kept.get(name), self._clock()
        if kept is not None and now >= kept.until:
            kept = None
        if kept is not None and now < kept.anew_at:
            self._kept.move_to_end(name)
            return kept, None
        question = self._asked.get(name)
        if question is None and len(self._asked) < QUESTIONS_MAX_COUNT:
            question = _Question()
            # A daemon: at the end nobody needs the answer. It waits for the lock that is held here.
            threading.Thread(
                target=self._put, args=(name, question), name="dns", daemon=True
            ).start()
            self._asked[name] = question
        return kept, question

    def _put(self, name: bytes, question: _Question) -> None:
        """Put a question to the DNS, in a thread of its own, and keep what it says."""
        record: bytes | None = None
        is_known, seconds = False, SILENT_SECONDS
        try:
            record, seconds = self._resolve(name)
            is_known = True
        except TimeoutError:
            pass
        finally:
            with self._lock:
                del self._asked[name]
                now = self._clock()
                anew_at, until = now + seconds * (1 - ASKED_ANEW_SHARE), now + seconds
                before = self._kept.get(name)
                if not is_known and before is not None and before.is_known and now < before.until:
                    # What was said holds until its time, whoever fails to say it again.
                    self._kept[name] = _Kept(before.record, True, anew_at, before.until)
                else:
                    self._kept[name] = _Kept(record, is_known, anew_at, until)
                self._kept.move_to_end(name)
                while len(self._kept) > CACHE_MAX_COUNT:
                    self._kept.popitem(last=False)
                if is_known:
                    self._silent_until = 0.0
            question.ended.set()

    def _resolve(self, name: bytes) -> tuple[bytes | None, float]:
        """Return a record and for how many seconds it holds; TimeoutError if nothing is known."""
        try:
            answer = self._resolver.resolve(
                name.decode("ascii"), "TXT", lifetime=QUESTION_SECONDS_MAX, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, UnicodeDecodeError):
            return None, KEPT_WITHOUT_SECONDS
        except dns.exception.DNSException as error:
            # Unreachable, lame or silent servers, and names that are none.
            raise TimeoutError(type(error).__name__) from error
        seconds = float(answer.chaining_result.minimum_ttl)
        seconds = min(max(seconds, KEPT_SECONDS_MIN), KEPT_SECONDS_MAX)
        return b"".join(next(iter(answer)).strings), seconds


def _plain(name: bytes) -> bytes:
    return name.rstrip(b".").lower()
