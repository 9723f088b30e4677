"""What the configuration says about links: taken over, checked, and named where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.cli.init import Choices, create_installation
from relay.cli.materials import MaterialError, files_of, is_fixed, load_all
from signer.revocations_file import change_revocations
from tests.ledger.intake_world import LINK_ID, NOON


def configured(folder: Path, section: str, line: str) -> Path:
    """Return the configuration of a new installation with a line more in a section."""
    create_installation(folder, Choices())
    config = folder / "careerrelay.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{line}\n"), encoding="utf-8")
    return config


def test_days_and_ranges_reach_the_intake(tmp_path: Path) -> None:
    """A file of networks is read as from the folder of the configuration."""
    (tmp_path / "ranges").write_text("203.0.113.0/24 vendor\n")
    materials = load_all(configured(tmp_path, "intake", 'scanner_ranges = "ranges"'))
    assert materials.intake.scanner_ranges.name_of("203.0.113.9") == "vendor"
    assert materials.intake.attribution_days == 365
    other = load_all(configured(tmp_path / "other", "link", "attribution_days = 30"))
    assert other.intake.attribution_days == 30
    assert other.intake.scanner_ranges.name_of("203.0.113.9") == ""


@pytest.mark.parametrize(
    ("section", "line", "text"),
    [
        ("intake", 'scanner_ranges = "missing"', "missing: No such file"),
        ("intake", 'scanner_ranges = "careerrelay.toml"', "careerrelay.toml: line "),
        ("intake", 'trusted_proxies = ["web.example"]', "trusted_proxies"),
        ("link", "attribution_days = 0", "attribution_days = 0"),
        ("link", "attribution_days = 4000", "attribution_days = 4000"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, section: str, line: str, text: str) -> None:
    """File or key and what is wrong, before anything runs."""
    with pytest.raises(MaterialError) as caught:
        load_all(configured(tmp_path, section, line))
    assert text in str(caught.value)


def test_revoked_links_belong_to_the_ring(tmp_path: Path) -> None:
    """Their file is among those that the service must read, and a change of it is seen."""
    config = configured(tmp_path, "link", "")
    before = load_all(config)
    ring = before.config.link.key_ring
    change_revocations(ring, lambda known: known.with_batch("aozora", [LINK_ID], NOON, "why"))
    after = load_all(config)
    assert after.changed_since(before) == ("link.key_ring",)
    assert after.rules.ring.revoked_links == {LINK_ID}
    assert tmp_path / "keys.revoked.json" in files_of(after.config)


def test_proxies_need_a_restart() -> None:
    """The socket's server is made once; the networks of scanners are read again."""
    assert is_fixed("intake.trusted_proxies")
    assert not is_fixed("intake.scanner_ranges")
    assert not is_fixed("link.attribution_days")
