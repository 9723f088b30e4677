"""What looks for personal data in the tests finds it, whatever a program has made of it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import quopri
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.marks import marks_in, marks_in_files, marks_in_tables

NAME, ADDRESS = "鱒沢鯉太郎", "Koi.zq84@mail.example.com"
WAYS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "lower": lambda mark: mark.lower().encode(),
    "upper": lambda mark: mark.upper().encode(),
    "utf16": lambda mark: f"x{mark}".encode("utf-16"),
    "iso2022jp": lambda mark: f"あ{mark}い".encode("iso-2022-jp"),
    "cp932": lambda mark: mark.encode("cp932"),
    "base64": lambda mark: base64.b64encode(mark.encode()),
    "base64_second": lambda mark: base64.b64encode(f"x{mark}yz".encode()),
    "base64_third": lambda mark: base64.b64encode(f"xx{mark}y".encode()),
    "base64_of_json": lambda mark: base64.b64encode(json.dumps({"a": mark}).encode()),
    "base64_lines": lambda mark: base64.encodebytes(f"{'x' * 50}{mark}".encode()),
    "base64_jis": lambda mark: base64.b64encode(f"あ{mark}い".encode("iso-2022-jp")),
    "url_safe": lambda mark: base64.urlsafe_b64encode(f"?{mark}".encode()),
    "quoted_printable": lambda mark: quopri.encodestring(f"{'x' * 60}{mark}".encode()),
    "percent": lambda mark: quote(mark, safe="").encode(),
    "form": lambda mark: quote(mark).encode(),
    "hex": lambda mark: mark.encode().hex().encode(),
    "json": lambda mark: json.dumps(mark).encode(),
    "html": lambda mark: "".join(f"&#{ord(char)};" for char in mark).encode(),
    "gzip": lambda mark: gzip.compress(mark.encode()),
    "sha256": lambda mark: hashlib.sha256(mark.lower().encode()).hexdigest().encode(),
    "sha512_base64": lambda mark: base64.b64encode(hashlib.sha512(mark.lower().encode()).digest()),
    "base32_sha256": lambda mark: base64.b32encode(
        hashlib.sha256(mark.lower().encode()).digest()
    ).lower(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mark", [NAME, ADDRESS])
def test_a_mark_is_found_in_each_form(way: str, mark: str) -> None:
    """Plain, encoded, escaped, wrapped, packed or as a bare digest; and no other is."""
    octets = WAYS[way](mark)
    if way not in ("utf16", "gzip"):
        octets = b"before " + octets + b" behind"
    assert marks_in(octets, (NAME, ADDRESS, "鮎川", "other@mail.example.com")) == [mark]


def test_a_mark_is_found_in_files_and_tables(tmp_path: Path) -> None:
    """Planted in a file, a file's name, a text and a blob, it is found and its place is named."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" + NAME.encode() + b"y")
    (tmp_path / ADDRESS.lower()).write_bytes(b"")
    database = sqlite3.connect(tmp_path / "some.db")
    database.execute("CREATE TABLE person (id INTEGER, name TEXT, sealed BLOB)")
    row = (1, f"({ADDRESS})", base64.b64encode(NAME.encode()))
    database.execute("INSERT INTO person VALUES (?, ?, ?)", row)
    database.commit()
    database.close()
    assert marks_in_files(tmp_path, (NAME, ADDRESS)) == {
        "deep/file": [NAME],
        ADDRESS.lower(): [ADDRESS],
        "some.db": [NAME, ADDRESS],
    }
    assert marks_in_tables(f"sqlite:///{tmp_path}/some.db", (NAME, ADDRESS)) == {
        "person.name": [ADDRESS],
        "person.sealed": [NAME],
    }
