"""Whether map, splice and the way back take time in proportion to the size of a message.

    python bench/splice.py [--quick] [--only NAME] [--json] [--write]

Messages of a dozen builds grow from 16 KiB in steps of four up to 25 MiB, or to the limit on a text
or header. Each is mapped, spliced whatever its words are, and restored; the standard library parses
the same bytes in the same run. A figure is nanoseconds of processor time for each byte, the least
of several runs. The growth is that at the largest size over the least at any size: 1 is linear, and
what grows with the square of the size comes to 4 with one step alone. The exit code is 1 where it
is over the limit. A message that is not spliced shows why, and is restored from a forged mark.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import random
import sys
import time
from base64 import b64encode, encodebytes
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from quopri import encodestring

from bombs import OPENING
from rich.console import Console
from table import Row, machine, markdown, put, show

from relay.company import Company
from relay.inject import Mark, NotInjected, inject
from relay.mimemap import (
    DEPTH_MAX,
    HEADER_MAX_BYTES,
    PARTS_MAX_COUNT,
    MapError,
    map_message,
)
from relay.note import load_templates
from relay.safety import TEXT_MAX_BYTES
from relay.undo import NotOurs, restore
from relay.visible import NODES_MAX

BEGIN = "<!-- figures: written by bench/splice.py -->"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
KIBIBYTE = 1024
FIRST_BYTES, STEP, LAST_BYTES = 16 * KIBIBYTE, 4, 25 * KIBIBYTE * KIBIBYTE
QUICK_BYTES = KIBIBYTE * KIBIBYTE
TAGS_MAX = 2 * NODES_MAX
# Small enough that head and boundaries fit below a limit, too.
ROOM_BYTES = 4 * KIBIBYTE
GROWTH_MAX = 3.0
# Less for a byte is the speed of memory: what the processor has in its cache comes at a tenth.
MEMORY_NS = 1.0
RUN_SECONDS, RUNS_MIN, RUNS_MAX = 0.1, 3, 50
LONG_SECONDS = 2.0  # What takes this long is measured once.
WIDTH = 140
OURS = ("map", "splice", "restore")
STATIONS = (*OURS, "email")

COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
NOTES = load_templates().notes(COMPANY, "ja", "https://r.example.jp/" + "k" * 43)
MARK = Mark("abcdefghijklmnop", "m" * 26)
FORGED = b"X-Career-Relay: v=1; link=a; mac=b;\r\n undo=0:0;\r\n sum=aaaaaaaaaaaaa\r\n"

HEAD = b"From: HR <hr@aozora.example.jp>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
TEXT = OPENING["ja"].replace("\n", "\r\n").encode()
LETTER = (
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT
)
LINE = "弊社の求人にご応募いただき、誠にありがとうございました。\r\n".encode()
CHANCE = random.Random(7)  # noqa: S311 (the same octets each time, no secrets)
GARBAGE = CHANCE.randbytes(LAST_BYTES).replace(b"\0", b"\n")
# A row of a letter from an applicant tracking system: tables in tables around a paragraph.
NESTED = (
    "<table width='600'><tr><td style='padding:0 8px'><div><div><table><tr><td><p><span><font>"
    + "この度は弊社の求人にご応募いただき、誠にありがとうございました。" * 16
    + "</font></span></p></td></tr></table></div></div></td></tr></table>\r\n"
).encode()


@dataclass(frozen=True, slots=True)
class Case:
    """Messages of one build: `build` makes one of about a size."""

    name: str
    build: Callable[[int], bytes]
    largest_bytes: int = LAST_BYTES

    def sizes(self, largest_bytes: int) -> list[int]:
        """Return the sizes that are measured, growing in steps."""
        last = min(self.largest_bytes, largest_bytes)
        sizes = [FIRST_BYTES]
        while sizes[-1] * STEP < last:
            sizes.append(sizes[-1] * STEP)
        return [*sizes, last]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one message took: nanoseconds for each byte, by station."""

    size_bytes: int
    costs: dict[str, float]
    result: str


def filled(piece: bytes, size: int) -> bytes:
    """Return a piece over and over, up to a size."""
    return piece * max(1, size // len(piece))


def multipart(*parts: bytes, boundary: bytes = b"outer") -> bytes:
    """Return a multipart/mixed with its field."""
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    field = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary
    return field + body + b"--%b--\r\n" % boundary


def attached(body: bytes, encoding: bytes = b"8bit", more: bytes = b"") -> bytes:
    """Return an attachment with this body as it stands."""
    kind = b"Content-Type: application/octet-stream\r\n"
    return more + kind + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body


def in_base64(data: bytes) -> bytes:
    """Return base64 in lines of 76 characters."""
    return encodebytes(data).replace(b"\n", b"\r\n")


def text(body: bytes, kind: str = "plain", charset: str = "utf-8", encoding: str = "8bit") -> bytes:
    """Return a message of one text."""
    fields = f"Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}"
    return HEAD + fields.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def with_attachment(body: bytes, encoding: bytes = b"8bit") -> bytes:
    """Return a letter with an attachment."""
    return HEAD + multipart(LETTER, attached(body, encoding))


def many_parts(size: int) -> bytes:
    """Return a letter in as many parts as are allowed, the message itself among them."""
    count = PARTS_MAX_COUNT - 2
    each = attached(in_base64(GARBAGE[: size * 3 // 4 // count]), b"base64")
    return HEAD + multipart(LETTER, *[each] * count)


def nested_parts(size: int) -> bytes:
    """Return a letter as deep as is allowed, with something attached at each level."""
    each = attached(in_base64(GARBAGE[: size * 3 // 4 // DEPTH_MAX]), b"base64")
    part = LETTER
    for depth in range(DEPTH_MAX):
        part = multipart(part, each, boundary=b"level-%d" % depth)
    return HEAD + part


def headers_of_parts(size: int) -> bytes:
    """Return a letter with attachments that are all header."""
    each = attached(b"", more=b"X-Long: a\r\n" + filled(b" folded again\r\n", size // 150))
    return HEAD + multipart(LETTER, *[each] * 150)


def cases() -> Iterator[Case]:
    """Give what is measured."""
    most = TEXT_MAX_BYTES - ROOM_BYTES
    header = HEADER_MAX_BYTES - ROOM_BYTES
    near = b"--outer"[:-1] + b"x\r\n"
    yield Case(
        "base64 file attached",
        lambda size: with_attachment(in_base64(GARBAGE[: size * 3 // 4]), b"base64"),
    )
    yield Case(f"{PARTS_MAX_COUNT} parts", many_parts)
    yield Case(f"{DEPTH_MAX} levels", nested_parts)
    yield Case("lines like a boundary", lambda size: with_attachment(filled(near, size)))
    yield Case("dashes only", lambda size: with_attachment(filled(b"-", size)))
    yield Case("one long line attached", lambda size: with_attachment(filled(b"a", size)))
    yield Case("line ends only", lambda size: with_attachment(filled(b"\r\n", size)))
    yield Case("octets at random attached", lambda size: with_attachment(GARBAGE[:size]))
    yield Case("octets at random", lambda size: GARBAGE[:size])
    yield Case("headers of 150 parts", headers_of_parts)
    yield Case(
        "header, one long field",
        lambda size: HEAD + b"X-Long: a\r\n" + filled(b" folded\r\n", size) + LETTER,
        header,
    )
    yield Case("header, many fields", lambda size: filled(b"X-A: b\r\n", size) + LETTER, header)
    yield Case("text", lambda size: text(TEXT + filled(LINE, size)), most)
    yield Case("text in one line", lambda size: text(filled(LINE.strip(), size)), most)
    yield Case(
        "text in ISO-2022-JP",
        lambda size: text(
            filled(LINE.decode().encode("iso2022_jp"), size), charset="iso-2022-jp", encoding="7bit"
        ),
        most,
    )
    yield Case("text of random octets", lambda size: text(GARBAGE[:size]), most)
    yield Case(
        "text in base64",
        lambda size: text(in_base64(filled(LINE, size * 3 // 4)), encoding="base64"),
        most - most // 38,  # The line ends.
    )
    yield Case(
        "text in base64, one line",
        lambda size: text(b64encode(filled(LINE, size * 3 // 4)), encoding="base64"),
        most,
    )
    quoted = encodestring(LINE.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    yield Case(
        "text in quoted-printable",
        lambda size: text(filled(quoted, size), encoding="quoted-printable"),
        most,
    )
    yield Case(
        "quoted-printable, soft breaks",
        lambda size: text(filled(b"=\r\n", size) + TEXT, encoding="quoted-printable"),
        most,
    )
    yield Case("HTML, nested tables", lambda size: text(filled(NESTED, size), "html"), most)
    yield from _hostile_html(most)


def _hostile_html(most: int) -> Iterator[Case]:
    pieces = {
        "words in one line": b"a " * 50 + b"<b>b</b> ",
        "a tag for each word": b"a <b>b</b> ",
        "buttons": b"<p><a class=button>b</a>",
        "breaks": b"<br>",
        "never closed": b"<div>a ",
        "attributes": b"<p title=a class='b' style=\"margin:0\">c</p>",
    }
    for name, piece in pieces.items():
        yield Case(f"HTML, {name}", partial(_html, piece, "utf-8"), min(most, _read_bytes(piece)))
    breaks = partial(_html, b"<br>", "iso-2022-jp")
    yield Case("HTML in ISO-2022-JP, breaks", breaks, _read_bytes(b"<br>"))
    for name, start, piece in (
        ("a sheet without rules", b"<style>", b"a,"),
        ("beginnings of sheets", b"", b"<style "),
        ("a comment of brackets", b"<!--[if mso]>", b"<"),
        ("beginnings of comments", b"", b"<![if "),
    ):
        yield Case(f"HTML, {name}", partial(_html, piece, "utf-8", start=start), most)
    yield Case("HTML, more tags than are read", partial(_html, b"<br>", "utf-8"), most)


def _read_bytes(piece: bytes) -> int:
    """Return how much of a piece of HTML is read at most."""
    return (TAGS_MAX - 100) // piece.count(b"<") * len(piece)


def _html(piece: bytes, charset: str, size: int, *, start: bytes = b"") -> bytes:
    own = "<p>誠に残念ながら、今回は採用を見送らせていただきます。".encode(charset)
    encoding = "7bit" if own.isascii() else "8bit"
    return text(own + start + filled(piece, size), "html", charset, encoding)


def cost(work: Callable[[], object], size_bytes: int) -> float:
    """Return the nanoseconds that some work takes for each byte, done or refused."""
    times: list[float] = []
    began = time.process_time()
    while len(times) < RUNS_MAX:
        started = time.process_time()
        with suppress(MapError, NotInjected, NotOurs):
            work()
        ended = time.process_time()
        times.append(ended - started)
        if times[0] > LONG_SECONDS or (ended - began > RUN_SECONDS and len(times) >= RUNS_MIN):
            break
    return 1e9 * min(times) / size_bytes


def measure(message: bytes) -> Measured:
    """Send a message through all stations, as far as it comes."""
    size = len(message)
    changed, result = FORGED + message, "spliced"
    costs = {"map": cost(lambda: map_message(message), size)}
    try:
        message_map = map_message(message)
        costs["splice"] = cost(lambda: inject(message_map, NOTES, MARK), size)
        changed = inject(message_map, NOTES, MARK).message
    except (MapError, NotInjected) as error:
        result = error.reason
    else:
        assert restore(changed) == message
    costs["restore"] = cost(lambda: restore(changed), size)
    costs["email"] = cost(lambda: email.message_from_bytes(message), size)
    return Measured(size, costs, result)


def growth(measured: Sequence[Measured], station: str) -> float:
    """Return the cost of a byte at the largest size over the least at any size."""
    # What to restore is another thing where a message is not spliced.
    alike = [
        each for each in measured if station != "restore" or each.result == measured[-1].result
    ]
    costs = [each.costs.get(station, 0.0) for each in alike]
    return costs[-1] / max(min(costs), MEMORY_NS)


def main() -> int:
    """Measure all cases; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no message above 1 MiB")
    parser.add_argument("--only", default="", metavar="NAME", help="cases whose name holds this")
    parser.add_argument("--json", action="store_true", help="one object a line, of every size")
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    largest = QUICK_BYTES if options.quick else LAST_BYTES
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    results: list[tuple[str, list[Measured]]] = []
    for case in cases():
        if options.only in case.name:
            measured = [measure(case.build(size)) for size in case.sizes(largest)]
            results.append((case.name, measured))
            if options.json:
                print(json.dumps(_object(case.name, measured), ensure_ascii=False), flush=True)
            else:
                show(console, case.name, *_sizes(measured))
    if not results:
        raise SystemExit(f"no case has {options.only!r} in its name")
    names, rows = _summary(results)
    if not options.json:
        show(console, "at the largest size: nanoseconds a byte, and their growth", names, rows)
    if options.write:
        words = " ".join(word for word in sys.argv[1:] if word != "--write")
        command = f'make splice ARGS="{words}"' if words else "make splice"
        put(PAGE, BEGIN, [f"{machine(load)}; `{command}`.", markdown(names, rows)])
    grown = [
        f"{name}, {station}: {growth(measured, station):.1f}"
        for name, measured in results
        for station in OURS
        if growth(measured, station) > GROWTH_MAX
    ]
    print("\n".join([f"growth over {GROWTH_MAX:.0f}: {len(grown)}", *grown]), file=sys.stderr)
    return int(bool(grown))


def _sizes(measured: Sequence[Measured]) -> tuple[Row, list[Row]]:
    """Return heading and rows of one case: a column for each size."""
    names = ("ns / byte", *map(_size, measured), "growth")
    rows = [
        (
            station,
            *(_cost(each, station) for each in measured),
            _growth(measured, station),
        )
        for station in STATIONS
    ]
    return names, [*rows, ("", *(each.result for each in measured), "")]


def _summary(results: Sequence[tuple[str, Sequence[Measured]]]) -> tuple[Row, list[Row]]:
    """Return heading and rows of all cases at their largest size."""
    names = ("", "up to", *(word for each in STATIONS for word in (each, "growth")), "result")
    rows: list[Row] = []
    for name, measured in results:
        costs = [
            word
            for station in STATIONS
            for word in (_cost(measured[-1], station), _growth(measured, station))
        ]
        rows.append((name, _size(measured[-1]), *costs, measured[-1].result))
    return names, rows


def _size(each: Measured) -> str:
    kibibytes = each.size_bytes / KIBIBYTE
    if kibibytes < 1_000:
        return f"{kibibytes:.0f} KiB"
    return f"{kibibytes / KIBIBYTE:.0f} MiB"


def _cost(each: Measured, station: str) -> str:
    ns = each.costs.get(station)
    return "" if ns is None else f"{ns:,.{1 if ns < 100 else 0}f}"


def _growth(measured: Sequence[Measured], station: str) -> str:
    is_told = measured[-1].costs.get(station, 0.0) >= MEMORY_NS
    return f"{growth(measured, station):.1f}" if is_told else ""


def _object(name: str, measured: Sequence[Measured]) -> dict[str, object]:
    return {
        "name": name,
        "sizes": [
            {"size_bytes": each.size_bytes, "result": each.result, "ns_per_byte": each.costs}
            for each in measured
        ],
        "growth": {station: growth(measured, station) for station in STATIONS},
    }


if __name__ == "__main__":
    sys.exit(main())
