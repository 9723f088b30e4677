"""`[handover]`: what each way needs is asked for before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import ConfigError, load_config
from tests.relay.test_config import GOOD

MAIL = '[mail]\nfrom = "relay@example.jp"\n'


def read(folder: Path, text: str) -> Path:
    """Write a configuration and return its path."""
    path = folder / "careerrelay.toml"
    path.write_text(GOOD + text, encoding="utf-8")
    return path


def test_without_it_nobody_is_handed_over(tmp_path: Path) -> None:
    """By nothing, and kept for thirty days."""
    handover = load_config(read(tmp_path, "")).handover
    assert (handover.by, handover.keep_days) == ("none", 30)


@pytest.mark.parametrize(
    "text",
    [
        'by = "webhook"\nurl = "https://s.example.jp/x"\nsecret = "handover-secret"',
        'by = "mail"\nadviser = "adviser@example.jp"',
        'by = "export"\nkeep_days = 1',
    ],
)
def test_each_way_with_what_it_needs(tmp_path: Path, text: str) -> None:
    """Whole, it is taken; the secret's path is from the folder of the file."""
    handover = load_config(read(tmp_path, f"{MAIL}[handover]\n{text}\n")).handover
    assert handover.by in text
    assert handover.secret in (None, tmp_path / "handover-secret")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('by = "fax"', "handover.by"),
        ('by = "webhook"', "needs url and secret"),
        ('by = "webhook"\nurl = "https://s.example.jp/x"', "needs url and secret"),
        ('url = "ftp://s.example.jp/x"', "handover.url"),
        ('by = "mail"', "needs adviser"),
        ('by = "mail"\nadviser = "nobody"', "handover.adviser"),
        ('by = "mail"\nadviser = "a@example.jp"', "[mail] needs from"),
        ("keep_days = 0", "handover.keep_days"),
        ("keep_days = 366", "handover.keep_days"),
        ("keep_day = 3", "keep_day"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """With the key, and what is expected."""
    with pytest.raises(ConfigError) as caught:
        load_config(read(tmp_path, f"[handover]\n{text}\n"))
    assert said in str(caught.value)
