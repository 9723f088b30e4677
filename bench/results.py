"""The figures of the recognisers, as tables and as objects: letters, sources, kinds, mails."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counted import PRECISIONS, Counted, count
from rich.console import Console
from samples import LANGUAGES, Group
from speed import Ordinary
from table import Row, machine, markdown, put, show
from told import INSTALLED, OURS, RECOGNISERS, Told

BEGIN = "<!-- figures: written by bench/recognise.py -->"
NAMES = {"ja": "Japanese", "en": "English"}
APART = {
    Group.TWINS: "twins: pairs that differ in what decides",
    Group.ORDINARY: "ordinary business mail",
    Group.ARGUABLE: "arguable answers",
}
# Kinds with fewer letters are counted together: one letter would be several per cent.
KIND_LETTERS_MIN = 20


@dataclass(frozen=True, slots=True)
class Results:
    """All that was measured."""

    letters: Sequence[Told]
    letter_times: Mapping[str, Mapping[str, float]]
    """Microseconds of a letter, by language and recogniser."""
    ordinary: Ordinary | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table before it is printed or written."""

    title: str
    names: Row
    rows: list[Row]


def sheets(results: Results) -> list[Sheet]:
    """Return all tables."""
    found: list[Sheet] = []
    for language in LANGUAGES:
        letters = [one for one in results.letters if one.language == language]
        for group in Group:
            some = [one for one in letters if one.group is group]
            if some:
                times = results.letter_times[language] if group is Group.LETTERS else None
                found.append(_all(language, group, some, times or {}))
        plain = [one for one in letters if one.group is Group.LETTERS]
        found += [_sources(language, plain), _kinds(language, plain)]
    if results.ordinary is not None:
        found += [_mails(results.ordinary), _stations(results.ordinary)]
    return found


def _all(language: str, group: Group, letters: Sequence[Told], times: Mapping[str, float]) -> Sheet:
    counts = [count(name, letters, ranks=True) for name in RECOGNISERS]
    about = f"{counts[0].letters:,} letters, {counts[0].rejections:,} rejections"
    title = f"{NAMES[language]}{', ' + APART[group] if group in APART else ''}: {about}"
    at = tuple(f"at {precision:.2f}" for precision in PRECISIONS)
    names = ("", "precision", "recall", "wrong", *at, *(("µs", "÷ ours") if times else ()))
    rows: list[Row] = []
    for one in counts:
        # Installed and learned for the bench take the same time: it is the same program.
        time = times.get(OURS if one.recogniser == INSTALLED else one.recogniser)
        rows.append(
            (
                one.recogniser,
                _share(one.precision),
                _share(one.recall),
                str(one.wrong),
                *(_share(one.recall_at.get(precision)) for precision in PRECISIONS),
                *((f"{time:,.0f}", f"{time / times[OURS]:.2f}") if time is not None else ()),
            )
        )
    return Sheet(title, names, rows)


def _sources(language: str, letters: Sequence[Told]) -> Sheet:
    names = ("source", "letters", "rejections", *RECOGNISERS)
    rows: list[Row] = []
    for source in sorted({one.source for one in letters}):
        counts = [
            count(name, [one for one in letters if one.source == source]) for name in RECOGNISERS
        ]
        shown = (f"{_share(one.precision)} / {_share(one.recall)}" for one in counts)
        rows.append((source, str(counts[0].letters), str(counts[0].rejections), *shown))
    return Sheet(f"{NAMES[language]} by source: precision / recall", names, rows)


def _kinds(language: str, letters: Sequence[Told]) -> Sheet:
    by_kind: dict[str, list[Told]] = {}
    for one in letters:
        if not one.is_rejection:
            by_kind.setdefault(one.kind.replace("_", " ").replace("-", " "), []).append(one)
    few = [kind for kind, some in by_kind.items() if len(some) < KIND_LETTERS_MIN]
    rest = [one for kind in few for one in by_kind.pop(kind)]
    ranked = sorted(by_kind.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [
        (kind, str(len(some)), *(str(count(name, some).wrong) for name in RECOGNISERS))
        for kind, some in [*ranked, (f"{len(few)} other kinds", rest)]
        if some
    ]
    title = f"{NAMES[language]} look-alikes by kind: how many were taken for rejections"
    return Sheet(title, ("kind", "letters", *RECOGNISERS), rows)


def _mails(ordinary: Ordinary) -> Sheet:
    ours, behind = ordinary.microseconds[OURS], ordinary.behind_gate[OURS]
    rows = [
        (
            name,
            f"{time:,.0f}",
            f"{time / ours:.2f}",
            f"{ordinary.behind_gate[name]:,.0f}",
            f"{ordinary.behind_gate[name] / behind:.2f}" if behind else "",
            str(ordinary.found[name]),
        )
        for name, time in ordinary.microseconds.items()
    ]
    names = ("", "µs", "÷ ours", "behind our gate: µs", "÷ ours", "taken for rejections")
    return Sheet(f"{ordinary.mails} ordinary mails, from their bytes to the verdict", names, rows)


def _stations(ordinary: Ordinary) -> Sheet:
    rows = [
        (
            left.station.value,
            str(left.mails),
            f"{left.mails / ordinary.mails:.1%}",
            f"{left.microseconds:,.0f}",
        )
        for left in ordinary.stations
    ]
    title = "where ordinary mail leaves the stations of the relay"
    return Sheet(title, ("", "mails", "share", "µs each"), rows)


def print_tables(console: Console, results: Results) -> None:
    """Print all tables."""
    for sheet in sheets(results):
        show(console, sheet.title, sheet.names, sheet.rows)


def write(path: Path, results: Results, load: float) -> None:
    """Put the tables into the document."""
    parts = [f"{machine(load)}; `make recognise`."]
    for sheet in sheets(results):
        parts += [f"**{sheet.title}**", markdown(sheet.names, sheet.rows)]
    put(path, BEGIN, parts)


def print_objects(results: Results) -> None:
    """Print each figure as an object on a line of its own."""
    for row in _objects(results):
        print(json.dumps(row, ensure_ascii=False))


def _objects(results: Results) -> Iterable[dict[str, object]]:
    for language in LANGUAGES:
        for group in Group:
            some = [o for o in results.letters if (o.language, o.group) == (language, group)]
            where: dict[str, object] = {"language": language, "group": group.value}
            for name in RECOGNISERS if some else ():
                yield {"figure": "letters", **where, **_counts(count(name, some, ranks=True))}
                for source in sorted({one.source for one in some}):
                    part = count(name, [one for one in some if one.source == source])
                    yield {"figure": "source", **where, "source": source, **_counts(part)}
                for kind in sorted({one.kind for one in some if not one.is_rejection}):
                    alike = [one for one in some if one.kind == kind and not one.is_rejection]
                    yield {"figure": "kind", **where, "kind": kind, **_counts(count(name, alike))}
        for name, time in results.letter_times[language].items():
            yield {"figure": "time", "language": language, "recogniser": name, "letter_us": time}
    if results.ordinary is not None:
        for name, time in results.ordinary.microseconds.items():
            found = results.ordinary.found[name]
            yield {"figure": "ordinary", "recogniser": name, "mail_us": time, "wrong": found}
        for left in results.ordinary.stations:
            yield {
                "figure": "station",
                "station": left.station.name.lower(),
                "mails": left.mails,
                "mail_us": left.microseconds,
            }


def _counts(one: Counted) -> dict[str, object]:
    return {
        "recogniser": one.recogniser,
        "letters": one.letters,
        "rejections": one.rejections,
        "right": one.right,
        "wrong": one.wrong,
        "precision": one.precision,
        "recall": one.recall,
        **{f"recall_at_{at:.2f}": recall for at, recall in one.recall_at.items()},
    }


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
