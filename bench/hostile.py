"""How long hostile letters hold the relay: milliseconds of processor time, station by station.

    python bench/hostile.py [--quick] [--only NAME] [--json]          (make hostile)

Each letter goes through map, reading and judgement, as `bombs.py` makes it. A letter whose wording
as a whole is far from a rejection is judged no further; whoever builds one can let it sound like a
rejection, so the judgement is taken with and without that look, and the dearer of the two counts.
What is near the limit is measured again, and the least counts: other work on the machine is not its
fault. The worst stands last. The exit code is 1 when one takes more than the limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from bombs import Bomb, by_hand, of_patterns, of_vocabulary, of_voided
from rich.console import Console
from table import show

from relay.entries import Lexicons
from relay.envelope import Envelope
from relay.letter import read_letter, read_words
from relay.lexicons import load_lexicons
from relay.mimemap import MapError, map_message
from relay.verdict import judge_words

# Other letters wait meanwhile: at the rate of one process that is a few hundred.
LIMIT_MS = 250.0
AGAIN_MS, SURE_MS = LIMIT_MS / 2, LIMIT_MS * 4
AGAIN_TIMES = 2
SHOWN = 40
LANGUAGES = ("ja", "en")
WIDTH = 120  # Of what goes into a file or a pipe.
ENVELOPE = Envelope("hr@aozora.example.jp", ("yui@mail.example.com",))


@dataclass(frozen=True, slots=True)
class Held:
    """How long a letter holds the relay, in milliseconds, and what came of it."""

    name: str
    map: float
    read: float
    judge: float
    result: str

    @property
    def total(self) -> float:
        """Return the time of all stations."""
        return self.map + self.read + self.judge


def main() -> int:
    """Measure all letters; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without those made of patterns")
    parser.add_argument("--only", default="", metavar="NAME", help="letters whose name holds this")
    parser.add_argument("--json", action="store_true", help="one object a line, of every letter")
    options = parser.parse_args()
    lexicons = load_lexicons()
    unlearned = {code: replace(lexicon, wording=None) for code, lexicon in lexicons.items()}
    bombs = chain(
        by_hand(),
        of_voided(lexicons),
        of_vocabulary(lexicons, LANGUAGES),
        () if options.quick else of_patterns(lexicons, LANGUAGES),
    )
    chosen = (bomb for bomb in bombs if options.only in bomb.name)
    held = sorted(_measured(chosen, lexicons, unlearned), key=lambda one: one.total)
    if not held:
        raise SystemExit(f"no letter has {options.only!r} in its name")
    if options.json:
        for one in held:
            print(json.dumps(_object(one), ensure_ascii=False))
    else:
        _print(held)
    return int(held[-1].total > LIMIT_MS)


def _measured(bombs: Iterator[Bomb], lexicons: Lexicons, unlearned: Lexicons) -> Iterator[Held]:
    for number, bomb in enumerate(bombs, 1):
        if sys.stderr.isatty():
            print(f"\r{number} letters", end="", file=sys.stderr, flush=True)
        times = [measure(bomb, lexicons, unlearned)]
        if AGAIN_MS < times[0].total < SURE_MS:
            times += [measure(bomb, lexicons, unlearned) for _ in range(AGAIN_TIMES)]
        yield min(times, key=lambda one: one.total)


def measure(bomb: Bomb, lexicons: Lexicons, unlearned: Lexicons) -> Held:
    """Return how long a letter holds each station."""
    started = time.process_time()
    try:
        message_map = map_message(bomb.message)
    except MapError as error:
        return Held(bomb.name, _since(started), 0.0, 0.0, error.reason)
    mapped = _since(started)
    started = time.process_time()
    words = read_words(message_map)
    letter = read_letter(message_map, ENVELOPE, words)
    read = _since(started)
    judged: list[float] = []
    kinds: list[str] = []
    for each in (unlearned, lexicons):
        started = time.process_time()
        kinds.append(judge_words(words.subject, words.text, lambda: letter, each).kind.value)
        judged.append(_since(started))
    return Held(bomb.name, mapped, read, max(judged), kinds[-1])


def _since(started: float) -> float:
    return 1000.0 * (time.process_time() - started)


def _object(one: Held) -> dict[str, object]:
    return {
        "name": one.name,
        "map_ms": round(one.map, 1),
        "read_ms": round(one.read, 1),
        "judge_ms": round(one.judge, 1),
        "total_ms": round(one.total, 1),
        "result": one.result,
        "is_over_limit": one.total > LIMIT_MS,
    }


def _print(held: list[Held]) -> None:
    console = Console()
    names = ("letter", "map", "read", "judge", "all", "result")
    rows = [
        (
            one.name,
            *(f"{each:,.0f}" for each in (one.map, one.read, one.judge, one.total)),
            one.result,
        )
        for one in held[-SHOWN:]
    ]
    title = f"{len(held):,} hostile letters, the {len(rows)} slowest: milliseconds"
    show(console if console.is_terminal else Console(width=WIDTH), title, names, rows)
    over = sum(one.total > LIMIT_MS for one in held)
    console.print(f"over {LIMIT_MS:.0f} ms: {over}")


if __name__ == "__main__":
    sys.exit(main())
