"""The load of `bench/clicks.py`: clicks over kept connections, in a process of its own.

    python bench/clickload.py PORT REQUESTS FIRST CONNECTIONS SECONDS RATE

REQUESTS is a file with a token and an address in each line, used in turns from line FIRST on.
RATE 0 is a closed loop: each connection sends its next click when the one before is answered.
Another rate is an open one: clicks fall due evenly, whether or not earlier ones are answered, and
the delay counts from then.
The standard library alone, one thread, one `recv` and one search for each answer, so that little of
the machine goes to it; the last line says how much. Nothing is sent ahead on a connection.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

HOST = "127.0.0.1"
ANSWER_MAX_SECONDS = 20.0  # Whatever is not answered by then is lost, and said to be.
LOOK_SECONDS = 0.05
REDIRECTED = b"HTTP/1.1 303 "
END = b"\r\n\r\n"  # A redirect has no body.
# What a phone sends when somebody touches a link in a mail.
HEAD = (
    "GET /{token} HTTP/1.1\r\n"
    "Host: r.example.jp\r\n"
    "User-Agent: Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Mobile Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    "\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: ja-JP,ja;q=0.9\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Site: none\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "X-Forwarded-For: {address}\r\n"
    "X-Forwarded-Proto: https\r\n"
    "\r\n"
)


@dataclass(slots=True)
class Heard:
    """What came of the clicks; delays in milliseconds, of all that were answered in turn."""

    redirected: int
    other: int  # Answers that were no redirect.
    unanswered: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def per_second(self) -> float:
        """Redirects in a second."""
        return self.redirected / self.seconds

    @property
    def share(self) -> float:
        """Of one core, what the load itself took."""
        return self.cpu_seconds / self.seconds


class Load:
    """Sends the clicks, and keeps when each fell due."""

    def __init__(self, port: int, requests: Path, first: int, connections: int) -> None:
        lines = (line.split() for line in requests.read_text().splitlines())
        made = [HEAD.format(token=token, address=address).encode() for token, address in lines]
        self._requests = islice(cycle(made), first % len(made), None)
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._idle: deque[int] = deque()
        self._due: dict[int, float] = {}  # By connection: when what it waits for fell due.
        self._answers: dict[int, bytes] = {}  # What came of an answer that is not whole.
        self._delays: list[float] = []
        self._kinds: Counter[bool] = Counter()
        self._lost = 0
        for _ in range(connections):
            one = socket.create_connection((HOST, port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)
            self._sockets[one.fileno()] = one
            self._idle.append(one.fileno())
            self._poll.register(one.fileno(), select.EPOLLIN)

    def run(self, seconds: float, rate: float) -> Heard:
        """Send for so long, wait for the last answers, and return what was heard."""
        cpu, start = time.process_time(), time.perf_counter()
        end = start + seconds
        if rate:
            self._run_open(start, end, rate)
        else:
            while self._idle:
                self._send(self._idle.popleft(), start)
            while time.perf_counter() < end:
                for number in self._hear(LOOK_SECONDS):
                    self._send(number, time.perf_counter())
        last = time.perf_counter()
        while self._due and time.perf_counter() < last + ANSWER_MAX_SECONDS:
            self._hear(LOOK_SECONDS)
        took = max(time.perf_counter() - start, seconds)
        delays = sorted(self._delays) or [0.0]
        return Heard(
            self._kinds[True],
            self._kinds[False],
            self._lost + len(self._due),
            took,
            time.process_time() - cpu,
            1000 * delays[len(delays) // 2],
            1000 * delays[min(len(delays) - 1, len(delays) * 99 // 100)],
            1000 * delays[-1],
        )

    def _run_open(self, start: float, end: float, rate: float) -> None:
        count, total = 0, int((end - start) * rate)
        while count < total:
            now = time.perf_counter()
            while self._idle and count < total and start + count / rate <= now:
                self._send(self._idle.popleft(), start + count / rate)
                count += 1
            wait = start + count / rate - time.perf_counter() if self._idle else LOOK_SECONDS
            self._idle.extend(self._hear(max(wait, 0.0)))

    def _send(self, number: int, due: float) -> None:
        self._due[number] = due
        # A request fits the buffer of a connection on which nothing else is under way.
        self._sockets[number].sendall(next(self._requests))

    def _hear(self, wait: float) -> list[int]:
        """Return the connections whose answers are whole."""
        done = []
        for number, _ in self._poll.poll(wait):
            data = self._sockets[number].recv(65536)
            if not data:
                self._lost += self._due.pop(number, None) is not None
                self._poll.unregister(number)
                continue
            answer = self._answers.pop(number, b"") + data
            if answer.endswith(END):
                self._delays.append(time.perf_counter() - self._due.pop(number))
                self._kinds[answer.startswith(REDIRECTED)] += 1
                done.append(number)
            else:
                self._answers[number] = answer
        return done


def main() -> None:
    """Run and print what was heard, as JSON."""
    port, requests, first, connections, seconds, rate = sys.argv[1:]
    load = Load(int(port), Path(requests), int(first), int(connections))
    print(json.dumps(asdict(load.run(float(seconds), float(rate)))))


if __name__ == "__main__":
    main()
