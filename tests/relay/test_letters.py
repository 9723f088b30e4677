"""Every sample letter of tests/letters is judged as its .toml says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from relay.entries import Lexicons
from relay.envelope import Envelope
from relay.letter import read_letter
from relay.mimemap import MapError, map_message
from relay.verdict import Kind, judge
from tests.lexicons import installed_lexicons

FOLDER = Path(__file__).parents[1] / "letters"


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    """Return the lexicons as installed."""
    return installed_lexicons()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.eml")), ids=lambda path: path.stem)
def test_sample_letter_has_its_verdict(path: Path, lexicons: Lexicons) -> None:
    """Verdict, language, stage and position are those written beside the letter."""
    expected = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
    envelope = Envelope(expected.get("sender", ""), tuple(expected.get("recipients", ())))
    try:
        message_map = map_message(path.read_bytes())
    except MapError:
        assert expected["verdict"] == "other"
        return
    letter = read_letter(message_map, envelope)
    verdict = judge(letter, lexicons)
    assert (path.stem, verdict.kind.value) == (path.stem, expected["verdict"]), verdict.evidence
    if not letter.text:
        return  # Encrypted: nothing to read a language from.
    # Stage and position are read for the statistics of rejections only.
    is_counted = verdict.kind is not Kind.OTHER
    for key in ("language", "stage", "position") if is_counted else ("language",):
        if key in expected:
            assert (getattr(verdict, key) or "none") == expected[key], key
