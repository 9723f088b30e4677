"""Finds a text in whatever a program has left behind, in the forms that programs give to texts."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine, inspect, text

_CHARSETS = ("utf-8", "utf-16-le", "utf-16-be", "iso-2022-jp", "cp932", "euc-jp")
_DIGESTS = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s")
_LEAST = 6  # Shorter pieces of a form are found anywhere.


@lru_cache
def forms_of(mark: str) -> tuple[bytes, ...]:
    """Return the forms a text may stand in: charsets, transfer encodings, escapes, bare digests."""
    found: set[bytes] = set()
    for case in {mark, mark.lower(), mark.upper()}:
        for octets in _encoded(case):
            found |= {octets, octets.hex().encode(), octets.hex().upper().encode()}
            found.add("".join(f"={octet:02X}" for octet in octets).encode())
            found.add("".join(f"%{octet:02X}" for octet in octets).encode())
            found |= set(_base64(octets))
        found |= {quote(case, safe=".").encode(), quote(case, safe=".").lower().encode()}
        escaped = json.dumps(case)[1:-1].encode()
        found |= {escaped, *_base64(escaped)}
        found.add("".join(f"&#{ord(char)};" for char in case).encode())
        found.add(base64.b32encode(case.encode())[: len(case.encode()) * 8 // 5])
        for name in _DIGESTS:
            digest = hashlib.new(name, case.encode())
            found |= {digest.digest(), digest.hexdigest().encode()}
            found.add(base64.b64encode(digest.digest()).rstrip(b"="))
            found.add(base64.b32encode(digest.digest()).rstrip(b"=").lower())
    return tuple(form for form in found if len(form) >= _LEAST)


def _encoded(mark: str) -> Iterator[bytes]:
    for charset in _CHARSETS:
        try:
            octets = mark.encode(charset)
        except UnicodeEncodeError:
            continue
        # Between other characters of its charset it has no escape sequences around it.
        yield octets.removeprefix(b"\x1b$B").removesuffix(b"\x1b(B")


def _base64(octets: bytes) -> Iterator[bytes]:
    """Yield what is the same whatever stands before and behind, for each of the three places."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + octets)
        start = (before * 8 + 5) // 6
        yield whole[start : (before + len(octets)) * 8 // 6]
        yield whole.translate(bytes.maketrans(b"+/", b"-_"))[
            start : (before + len(octets)) * 8 // 6
        ]


def marks_in(octets: bytes, marks: Iterable[str]) -> list[str]:
    """Return the marks that stand in the octets, also broken over lines or compressed."""
    views = {octets, octets.translate(None, b"\r\n")}
    views.add(octets.replace(b"\r\n", b"\n").replace(b"=\n", b""))
    for unpack in (gzip.decompress, zlib.decompress):
        try:
            views.add(unpack(octets))
        except (OSError, EOFError, zlib.error):
            continue
    return [
        mark for mark in marks if any(form in view for form in forms_of(mark) for view in views)
    ]


def marks_in_files(folder: Path, marks: Iterable[str]) -> dict[str, list[str]]:
    """Return the marks in the files of a folder, or in their names, by the place."""
    marks = tuple(marks)
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        octets = name.encode() + b"\n" + (path.read_bytes() if path.is_file() else b"")
        if hits := marks_in(octets, marks):
            found[name] = hits
    return found


def marks_in_tables(url: str, marks: Iterable[str]) -> dict[str, list[str]]:
    """Return the marks in the tables of a database, by table and column."""
    marks = tuple(marks)
    engine = create_engine(url)
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings():  # noqa: S608
                for column, value in row.items():
                    octets = value if isinstance(value, bytes) else str(value).encode()
                    if hits := marks_in(octets, marks):
                        place = found.setdefault(f"{table}.{column}", [])
                        place += [hit for hit in hits if hit not in place]
    engine.dispose()
    return found
