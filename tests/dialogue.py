"""Hostile input for the dialogue: `careerrelay serve relay` against clients that mean no good.

    python -m tests.dialogue --seconds 600 [--seed 7]

Many connections at a time send what `tests.relay.dialogue_cases` makes of their seeds, while the
next hop changes its mind. Held: the process lives and logs no error of its own, every line it sends
is a well-formed reply, every connection ends in time, and between the rounds an ordinary letter
goes through unchanged. A failure prints the seeds that make it again, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from tests.cli.process import CAREERRELAY, Ports, create, wait_for
from tests.relay.dialogue_cases import Case, Ending, make_case
from tests.relay.neighbours import Client, Hop, always, hop

CONNECTIONS = 8  # At a time: enough to meet each other, few enough for the machine.
ROUND_CASES = 64
# Everything a case sends is answered at once by hop and relay; what takes longer hangs.
CASE_SECONDS = 30.0
LISTEN_SECONDS = 0.01  # A patient client gives the relay this long to answer a piece.
STOP_SECONDS = 20.0
SHOWN_CHARS = 3000  # Of a log line that tells of a fault: it may hold a whole trace.
REPLY_LINE = re.compile(rb"[2-5][0-9]{2}[ -][\t\x20-\x7e\x80-\xff]*\Z")
RESET = struct.pack("ii", 1, 0)
MOODS = (b"451 4.2.0 later", b"550 5.7.1 no", b"421 4.3.2 closing", b"nonsense", None)
ORDINARY = b"From: a@b.example\r\nSubject: minutes\r\n\r\nSee you on Monday, %d.\r\n.\r\n"


class Failure(Exception):
    """The relay did what it should not."""


@dataclass
class Installation:
    """The relay's process, its log and the hop behind it."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    hop: Hop
    read_bytes: int = 0  # Of the log.
    codes: Counter[int] = field(default_factory=Counter[int])

    def see_log(self) -> None:
        """Read what was logged since the last time; every line is JSON and tells of no fault."""
        with self.log.open("rb") as file:
            file.seek(self.read_bytes)
            text = file.read()
        whole = text.rfind(b"\n") + 1
        self.read_bytes += whole
        for line in text[:whole].splitlines():
            with suppress(ValueError):
                row = json.loads(line)
                level, event = str(row.get("level")), str(row.get("event"))
                is_fault = level in ("error", "critical") or "exception" in row
                if not is_fault and not event.endswith("_failed"):
                    continue
            raise Failure(f"logged: {line.decode(errors='replace')[:SHOWN_CHARS]}")

    def memory_kib(self) -> int:
        """Return the resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) if found else 0


@contextmanager
def installed(folder: Path) -> Generator[Installation]:
    """Run a relay and a hop; the relay must stop when told, with 0."""
    config = create(folder)
    log = folder / "log"
    with hop() as running_hop, log.open("wb") as file:
        ports = Ports.free(next_hop=running_hop.port)
        process = subprocess.Popen(
            [*CAREERRELAY, "serve", "relay", "--config", str(config)],
            env=os.environ | ports.environment,
            stderr=file,
        )
        try:
            wait_for(ports.relay, process)
            yield Installation(ports.relay, process, log, running_hop)
            process.terminate()
            if process.wait(STOP_SECONDS) != 0:
                raise Failure(f"the process ended with {process.returncode}")
        finally:
            process.kill()
            process.wait()


def see_replies(received: bytes, *, is_whole: bool) -> Counter[int]:
    """Check the form of all that was received; return how often each code came."""
    *lines, rest = received.split(b"\r\n")
    if rest and is_whole:
        raise Failure(f"half a reply: {rest!r}")
    codes: Counter[int] = Counter()
    code = b""
    for line in lines:
        if not REPLY_LINE.match(line) or code not in (b"", line[:3]):
            raise Failure(f"no reply line: {line!r}")
        code = line[:3] if line[3:4] == b"-" else b""
        if not code:
            codes[int(line[:3])] += 1
    if code and is_whole:
        raise Failure(f"a reply without its last line: {lines[-1]!r}")
    return codes


async def hold(case: Case, port: int) -> Counter[int]:
    """Hold one connection to its end; return the codes that came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()
    heard = asyncio.Event()

    async def listen() -> None:
        with suppress(ConnectionError):
            while octets := await reader.read(65536):
                received.extend(octets)
                heard.set()

    listening = asyncio.create_task(listen())
    try:
        with suppress(OSError):  # The relay may hang up, on QUIT or with a 421.
            for piece in case.pieces:
                heard.clear()
                writer.write(piece)
                await writer.drain()
                if case.is_patient:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(heard.wait(), LISTEN_SECONDS)
            _go(writer, case.ending)
        await listening
    finally:
        listening.cancel()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return see_replies(bytes(received), is_whole=case.ending is Ending.HALF_CLOSE)


def _go(writer: asyncio.StreamWriter, ending: Ending) -> None:
    if ending is Ending.RESET:
        peer: socket.socket = writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
        return
    if ending is Ending.QUIT:
        writer.write(b"\r\nQUIT\r\n")
    # In the middle of a message QUIT is text: the end of what we send ends it all the same.
    if writer.can_write_eof():
        writer.write_eof()


async def hold_timed(seed: int, port: int) -> Counter[int]:
    """Hold the connection of a seed; a failure names it."""
    try:
        return await asyncio.wait_for(hold(make_case(seed), port), CASE_SECONDS)
    except TimeoutError as error:
        raise Failure(
            f"--seed {seed}: the connection did not end in {CASE_SECONDS:.0f} s"
        ) from error
    except Failure as error:
        raise Failure(f"--seed {seed}: {error}") from error


async def run_round(place: Installation, seed: int) -> None:
    """Run the cases of one round, some at a time."""
    seeds = iter(range(seed, seed + ROUND_CASES))

    async def work() -> None:
        for each in seeds:
            place.codes += await hold_timed(each, place.port)

    results = await asyncio.gather(*(work() for _ in range(CONNECTIONS)), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise Failure("\n".join(str(failure) or repr(failure) for failure in failures))


def change_mood(place: Installation, seed: int) -> None:
    """Have the hop behave, or misbehave at one verb for a round."""
    chance = random.Random(seed)  # noqa: S311
    place.hop.answers.clear()
    if chance.random() < 0.4:
        verb = chance.choice(("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"))
        place.hop.answers[verb] = always(chance.choice(MOODS))


def see_service(place: Installation, number: int) -> None:
    """See that the process lives, has logged no fault and takes an ordinary letter unchanged."""
    if place.process.poll() is not None:
        raise Failure(f"the process ended with {place.process.returncode}")
    place.hop.answers.clear()
    wire = ORDINARY % number
    with Client(place.port) as client:
        said = [client.say(line)[:3] for line in _LETTER]
        client.send(wire)
        reply = client.reply()
    if said != ["250", "250", "250", "354"] or not reply.startswith("250"):
        raise Failure(f"an ordinary letter got {said}, {reply}")
    if wire not in place.hop.heard.wires:
        raise Failure("an ordinary letter did not arrive unchanged")
    place.see_log()
    place.hop.heard.wires.clear()
    place.hop.heard.commands.clear()


_LETTER = ("EHLO client.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA")


def fuzz(seconds: float, seed: int) -> int:
    """Run until the time is over or something fails; return the exit code."""
    end = time.monotonic() + seconds
    cases = 0
    with tempfile.TemporaryDirectory() as folder, installed(Path(folder)) as place:
        see_service(place, 0)
        memory_before_kib = place.memory_kib()
        while time.monotonic() < end:
            begin = seed + cases
            try:
                change_mood(place, begin)
                asyncio.run(run_round(place, begin))
                cases += ROUND_CASES
                see_service(place, cases)
            except Failure as failure:
                print(f"{failure}\nin the round of --seed {begin}", file=sys.stderr)
                return 1
        memory_kib = place.memory_kib()
    codes = ", ".join(f"{code} {count}" for code, count in sorted(place.codes.items()))
    print(f"{cases} connections, {place.codes.total()} replies ({codes}), no failure")
    print(f"memory of the relay: {memory_before_kib} KiB before, {memory_kib} KiB after")
    return 0


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="Hostile input for the dialogue.")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first connection")
    options = parser.parse_args()
    # The hop meets resets all the time; they are no news.
    with mock.patch.object(socketserver.BaseServer, "handle_error"):
        return fuzz(options.seconds, options.seed)


if __name__ == "__main__":
    sys.exit(main())
