"""The networks that vendors of mail security say their scanners work from.

An admin keeps them in a file, one a line: a network, then a name. They change often and are not
ours to know, so none come with us; docs/admin/links.md says where vendors publish theirs.

    203.0.113.0/24   vendor-a     # a comment

A line that is wrong is named and stops the start: a file that is half in use would go unnoticed.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

# All published ranges of the largest clouds together are some 20,000.
RANGES_MAX = 100_000
FILE_SIZE_MAX_BYTES = 8 * 1024 * 1024
MISTAKES_SHOWN_MAX = 5
# A range that holds much of the Internet is a slip of the pen: everyone would be a scanner.
PREFIX_MIN = {4: 8, 6: 16}

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RangesError(ValueError):
    """The file cannot be used; the text has a line for each mistake."""


@dataclass(frozen=True, slots=True)
class ScannerRanges:
    """Networks with their names; the smallest that an address is in counts."""

    names: dict[Network, str] = field(default_factory=dict[Network, str], repr=False)
    _by_prefix: dict[tuple[int, int], dict[int, str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found: dict[tuple[int, int], dict[int, str]] = {}
        for network, name in self.names.items():
            key = (network.version, network.prefixlen)
            found.setdefault(key, {})[int(network.network_address)] = name
        longest_first = dict(sorted(found.items(), reverse=True))
        object.__setattr__(self, "_by_prefix", longest_first)

    def name_of(self, address: str) -> str:
        """Return whose network an address is in, empty for nobody's."""
        if not self._by_prefix:
            return ""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return ""
        if isinstance(parsed, ipaddress.IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        number = int(parsed)
        for (version, prefix), names in self._by_prefix.items():
            if version == parsed.version:
                bits = parsed.max_prefixlen - prefix
                if name := names.get(number >> bits << bits):
                    return name
        return ""


def load_ranges(path: Path) -> ScannerRanges:
    """Return the ranges of a file; `RangesError` names file and lines."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise RangesError(f"{path}: {error.strerror}; set intake.scanner_ranges") from error
    if len(text) > FILE_SIZE_MAX_BYTES:
        raise RangesError(f"{path}: larger than {FILE_SIZE_MAX_BYTES} bytes")
    try:
        return parse_ranges(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RangesError(f"{path}: byte {error.start} is not UTF-8") from error
    except RangesError as error:
        raise RangesError("\n".join(f"{path}: {line}" for line in str(error).split("\n"))) from None


def parse_ranges(text: str) -> ScannerRanges:
    """Return the ranges of a text; `RangesError` names the lines that are wrong."""
    names: dict[Network, str] = {}
    mistakes: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            network, name = _parse_line(words)
        except ValueError as error:
            mistakes.append(f"line {number}: {error}")
            continue
        names[network] = name
    if len(names) > RANGES_MAX:
        mistakes.append(f"{len(names)} ranges; the limit is {RANGES_MAX}")
    if mistakes:
        more = len(mistakes) - MISTAKES_SHOWN_MAX
        shown = mistakes[:MISTAKES_SHOWN_MAX] + ([f"and {more} more"] if more > 0 else [])
        raise RangesError("\n".join(shown))
    return ScannerRanges(names)


def _parse_line(words: list[str]) -> tuple[Network, str]:
    if len(words) != 2:
        raise ValueError("expected a network and a name, like 203.0.113.0/24 vendor")
    text, name = words
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"not a network: {text[:60]!r} ({error})") from None
    if network.prefixlen < PREFIX_MIN[network.version]:
        raise ValueError(f"{text} is too much: at least /{PREFIX_MIN[network.version]}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name: {name[:60]!r}; expected 1 to 64 of A-Z, a-z, 0-9 and ._-")
    return network, name
