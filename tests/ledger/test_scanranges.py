"""Networks of scanners come from a file, and a line that is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.scanranges import (
    FILE_SIZE_MAX_BYTES,
    RANGES_MAX,
    RangesError,
    ScannerRanges,
    load_ranges,
    parse_ranges,
)

TEXT = """\
# What vendor-a publishes
203.0.113.0/24 vendor-a   # all of it
203.0.113.64/28\tvendor-b

2001:db8:5::/48 vendor-c
192.0.2.7 vendor-d
"""


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("203.0.113.1", "vendor-a"),
        ("203.0.113.70", "vendor-b"),
        ("203.0.113.80", "vendor-a"),
        ("203.0.114.1", ""),
        ("2001:db8:5:1::9", "vendor-c"),
        ("2001:db8:6::9", ""),
        ("::ffff:203.0.113.1", "vendor-a"),
        ("192.0.2.7", "vendor-d"),
        ("192.0.2.8", ""),
        ("not an address", ""),
        ("", ""),
    ],
)
def test_smallest_network_counts(address: str, name: str) -> None:
    """An address has the name of the smallest network it is in, however it is written."""
    assert parse_ranges(TEXT).name_of(address) == name


def test_without_a_file_nobody_is_listed() -> None:
    """No range comes with us."""
    assert ScannerRanges().name_of("203.0.113.1") == ""
    assert parse_ranges("# nothing\n\n").name_of("203.0.113.1") == ""


def test_example_names_nobody() -> None:
    """The file that comes with us is all comment."""
    assert load_ranges(Path(__file__).parents[2] / "deploy" / "scanner-ranges") == ScannerRanges()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("203.0.113.0/24", "expected a network and a name"),
        ("203.0.113.0/24 vendor a", "expected a network and a name"),
        ("203.0.113.1/24 vendor", "not a network: '203.0.113.1/24'"),
        ("all vendor", "not a network: 'all'"),
        ("0.0.0.0/0 vendor", "0.0.0.0/0 is too much: at least /8"),
        ("2001::/8 vendor", "not a network"),
        ("2000::/8 vendor", "2000::/8 is too much: at least /16"),
        ("203.0.113.0/24 <b>", "not a name: '<b>'"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, line: str, what: str) -> None:
    """File, line and what is expected are said."""
    path = tmp_path / "ranges"
    path.write_text(f"# first\n198.51.100.0/24 good\n{line}\n")
    with pytest.raises(RangesError) as caught:
        load_ranges(path)
    assert str(caught.value).startswith(f"{path}: line 3: {what}")


def test_many_mistakes_are_a_few_lines() -> None:
    """A file of another kind does not fill the screen."""
    with pytest.raises(RangesError) as caught:
        parse_ranges("x\n" * 1000)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-1]) == (6, "and 995 more")


def test_unusable_files(tmp_path: Path) -> None:
    """One that is missing, no text, or too large is named."""
    path = tmp_path / "ranges"
    with pytest.raises(RangesError, match=r"ranges: No such file.*intake\.scanner_ranges"):
        load_ranges(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RangesError, match="byte 0 is not UTF-8"):
        load_ranges(path)
    path.write_bytes(b"#" * (FILE_SIZE_MAX_BYTES + 1))
    with pytest.raises(RangesError, match="larger than"):
        load_ranges(path)
    many = (f"10.{at >> 16}.{at >> 8 & 255}.{at & 255} x\n" for at in range(RANGES_MAX + 1))
    with pytest.raises(RangesError, match="the limit is"):
        parse_ranges("".join(many))
