"""Exports as CSV: RFC 4180, fixed columns, and nothing that a spreadsheet would take for a formula.

UTF-8 without a byte order mark, every cell quoted, CRLF behind every line and nowhere else. A cell
that begins like a formula gets an apostrophe in front. Pure.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from ledger.events import Event, format_time
from ledger.exports_text import data_text, on_one_line

# A column is only ever added at the end.
COLUMNS: Final = ("seq", "time", "log", "type", "subject", "id", "data")

# What Excel, LibreOffice and others read as the beginning of a formula, in the full-width form,
# too, which Japanese editions accept.
_FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\N{FULLWIDTH EQUALS SIGN}",
    "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH HYPHEN-MINUS}",
    "\N{FULLWIDTH COMMERCIAL AT}",
)


def header() -> bytes:
    """Return the line with the names of the columns."""
    return _line(COLUMNS)


def encode_csv(seq: int, event: Event) -> bytes:
    """Return the entry as a line."""
    return _line(
        (
            str(seq),
            format_time(event.time),
            event.company,
            event.type,
            event.subject,
            event.id,
            data_text(event.data),
        )
    )


def id_in_csv(line: bytes) -> str:
    """Return the event id in a line, empty in the header; `ValueError` if it is none of ours."""
    try:
        rows = list(csv.reader(io.StringIO(line.decode(), newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if len(rows) != 1 or len(rows[0]) < len(COLUMNS):
        raise ValueError("not a line of an export as CSV")
    found = rows[0][COLUMNS.index("id")]
    return "" if found == "id" else found


def _line(cells: tuple[str, ...]) -> bytes:
    return (",".join(map(_cell, cells)) + "\r\n").encode()


def _cell(text: str) -> str:
    shown = on_one_line(text)
    if shown.startswith(_FORMULA):
        shown = "'" + shown
    return '"' + shown.replace('"', '""') + '"'
