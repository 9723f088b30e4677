"""DKIM and ARC as an admin sets them up: keys, configuration, `serve`, and what `check` says."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.dkimkeys import load_dkim_key
from relay.dkimsign import check_arc, check_dkim
from relay.undo import restore
from relay.wire import unstuff
from tests.cli.process import Ports, careerrelay, create, serving
from tests.relay.neighbours import Hop
from tests.relay.signers import (
    ed25519_pem,
    make_key,
    opendkim_results,
    published,
    rsa_pem,
    sign,
    write_key,
)

LETTERS = Path(__file__).parents[1] / "letters"
LETTER = (
    (LETTERS / "002-first-interview-8bit.eml")
    .read_bytes()
    .replace(b"chihaya.example.co.jp", b"aozora.example.jp")
)
DKIM = """
[[dkim]]
domain = "aozora.example.jp"
selector = "relay1"
key = "dkim.pem"
"""
ARC = """
[arc]
domain = "relay.example.jp"
selector = "arc1"
key = "arc.pem"
authserv_id = "relay.example.jp"
"""


def set_up(folder: Path, dkim: str, *tables: str) -> Path:
    """Make an installation that injects, with keys and tables of its own."""
    config = create(folder)
    write_key(folder / "dkim.pem", rsa_pem())
    write_key(folder / "arc.pem", rsa_pem())
    text = config.read_text(encoding="utf-8").replace('dkim = "pass"', f'dkim = "{dkim}"')
    config.write_text("".join((text, *tables)), encoding="utf-8")
    return config


def test_serve_signs_and_seals(next_hop: Hop, tmp_path: Path) -> None:
    """From a signed letter to one with our signature and seal, which opendkim accepts."""
    config = set_up(tmp_path, "resign", DKIM)
    theirs = make_key(tmp_path, "aozora.example.jp", "mail")
    ours = load_dkim_key(tmp_path / "dkim.pem", "aozora.example.jp", "relay1")
    sealing = load_dkim_key(tmp_path / "arc.pem", "relay.example.jp", "arc1")
    signed = sign(LETTER, theirs)
    with published(theirs, ours, sealing) as records:
        with config.open("a", encoding="utf-8") as file:
            file.write(f'{ARC}[dns]\nresolver = "127.0.0.1:{records.port}"\n')
        ports = Ports.free(next_hop=next_hop.port)
        with serving(config, ports), smtplib.SMTP("127.0.0.1", ports.relay) as client:
            client.sendmail("hr@aozora.example.jp", ["yui@mail.example.com"], signed)
        arrived = unstuff(next_hop.heard.wires[0])
        assert check_dkim(arrived, 0, records.find) == ("pass", "aozora.example.jp")
        assert opendkim_results(arrived, records, tmp_path) == ["pass relay1"]
        assert check_arc(arrived, records.find) == "pass"
    assert b"dkim=pass header.d=aozora.example.jp" in arrived
    assert restore(arrived) == signed


def test_what_to_publish_is_printed(tmp_path: Path) -> None:
    """As lines of a zone file, and as JSON."""
    config = set_up(tmp_path, "resign", DKIM, ARC)
    printed = careerrelay("keys", "dkim", "--config", config)
    assert printed.returncode == 0, printed.stderr
    names = ["relay1._domainkey.aozora.example.jp.", "arc1._domainkey.relay.example.jp."]
    assert [line.partition(" ")[0] for line in printed.stdout.splitlines()] == names
    assert "PRIVATE" not in printed.stdout
    rows = careerrelay("keys", "dkim", "--json", "--config", config).stdout.splitlines()
    ours = load_dkim_key(tmp_path / "dkim.pem", "aozora.example.jp", "relay1")
    assert json.loads(rows[0]) == {"name": names[0][:-1], "type": "TXT", "value": ours.record}


def mistakes() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Give settings that cannot be used, and what must be said of them."""
    yield "resign", (), "needs a key"
    yield "resign", (DKIM.replace("aozora.example.jp", "other.example"),), "needs a key"
    yield "sign", (), "dkim"
    yield "resign", (DKIM, DKIM), "two [[dkim]]"
    yield "resign", (DKIM.replace("dkim.pem", "missing.pem"),), "missing.pem"
    yield "resign", (DKIM.replace("relay1", "a b"),), "selector"
    yield "pass", (ARC.replace("relay.example.jp", "not a domain"),), "arc"
    yield "pass", (ARC.replace("arc.pem", "ed.pem"),), "RSA"


@pytest.mark.parametrize(("dkim", "tables", "said"), list(mistakes()))
def test_settings_that_cannot_be_used_are_told(
    tmp_path: Path, dkim: str, tables: tuple[str, ...], said: str
) -> None:
    """Before anything runs, with the file and what is expected."""
    config = set_up(tmp_path, dkim, *tables)
    write_key(tmp_path / "ed.pem", ed25519_pem())
    refused = careerrelay("keys", "dkim", "--config", config)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_check_says_why_there_is_no_line(tmp_path: Path) -> None:
    """In words, with an installation and without one."""
    theirs = make_key(tmp_path, "aozora.example.jp", "mail")
    signed, digest = tmp_path / "signed.eml", tmp_path / "digest.eml"
    signed.write_bytes(sign(LETTER, theirs))
    digest.write_bytes(b"Content-MD5: x\r\n" + LETTER)
    config = set_up(tmp_path, "pass")
    for settings in (("--config", config), ()):
        told = careerrelay("check", signed, digest, *settings)
        assert told.returncode == 0, told.stderr
        assert "pass: dkim_signed" in told.stdout
        assert 'the company has dkim = "pass"' in told.stdout
        assert "pass: body_digest_header" in told.stdout
        assert "counts or hashes the body" in told.stdout
