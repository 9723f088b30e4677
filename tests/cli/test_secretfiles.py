"""Secrets of webhooks in files: one, or several while one is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.cli.materials import MaterialError, load_all
from tests.cli.process import create

OLD, NEW = "whsec_" + "A" * 44, "whsec_" + "B" * 44


@pytest.mark.parametrize("text", [OLD, f"{OLD}\n", f"{NEW}\n{OLD}\n", f"\n{NEW}\r\n\n{OLD}"])
def test_one_or_several_lines(tmp_path: Path, text: str) -> None:
    """Both are read; white space around them is none of theirs."""
    config = create(tmp_path)
    (tmp_path / "webhook-secret").write_text(text)
    assert load_all(config).intake.webhook_secret.split() == text.split()


@pytest.mark.parametrize("text", ["", f"{OLD}\njunk", f"{OLD}\nwhsec_QUJD", "\n".join([OLD] * 6)])
def test_each_line_must_be_one(tmp_path: Path, text: str) -> None:
    """One wrong line, none, or too many: the file is named and its content is not."""
    config = create(tmp_path)
    (tmp_path / "webhook-secret").write_text(text)
    with pytest.raises(MaterialError, match=r"webhook-secret: .*at most 5 lines") as caught:
        load_all(config)
    assert OLD not in str(caught.value)


def test_the_secret_of_the_hand_over(tmp_path: Path) -> None:
    """Read where the placement service is called, and not where it is not."""
    config = create(tmp_path)
    (tmp_path / "handover-secret").write_text(OLD)
    (tmp_path / "handover-secret").chmod(0o600)
    assert load_all(config).handover_secret == ""
    section = (
        '[handover]\nby = "webhook"\nurl = "https://s.example.jp/x"\nsecret = "handover-secret"\n\n'
    )
    config.write_text(config.read_text().replace("[outside]", f"{section}[outside]", 1))
    assert load_all(config).handover_secret == OLD
    (tmp_path / "handover-secret").chmod(0o644)
    with pytest.raises(MaterialError, match="handover-secret: mode is 0644"):
        load_all(config)
