"""The envelope: sender and recipients as agreed in the SMTP dialogue (RFC 5321 §2.3.1).

It never comes from headers. Addresses are read with one expression instead of a mail grammar: what
the peer wrote goes on as it is, and only the next hop judges whether it is deliverable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# RFC 5321 §4.1.2: a path in angle brackets, in which a quoted string may hold anything; and, since
# clients exist that leave the brackets out, an address without white space.
_PATH = re.compile(
    r"""[ \t]*(?:<((?:"(?:[^"\\]|\\.)*"|\\.|[^<>"\s\\])*)>|([^<>"\s]+))(?:[ \t]+(\S.*))?\Z""",
    re.DOTALL,
)
# RFC 5321 §4.1.1.11: keyword, and a value without "=", space and control characters.
_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:=[^\s=\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*)?\Z")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender and recipients of one transaction, as the peer wrote them, without angle brackets.

    The null sender of RFC 5321 §4.5.5 is `""`.
    """

    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """The argument of MAIL or RCPT: the address, and the ESMTP parameters as they were written."""

    address: str
    parameters: tuple[str, ...]

    def size_bytes(self) -> int:
        """Return what SIZE announces (RFC 1870 §6.1), 0 where it says nothing of use."""
        size = self.parameter("SIZE") or ""
        return int(size[:20]) if size.isascii() and size.isdigit() else 0

    def parameter(self, keyword: str) -> str | None:
        """Return the value of a parameter, `""` if it has none, `None` if it is not there."""
        for parameter in self.parameters:
            name, _, value = parameter.partition("=")
            if name.upper() == keyword:
                return value
        return None


def parse_path(argument: str, keyword: str) -> Path | None:
    """Return the path in the argument of MAIL (`keyword` "FROM:") or RCPT ("TO:"), if it has one.

    The address keeps its quotes, dots and letter case; a control character makes it no path.
    """
    if argument[: len(keyword)].upper() != keyword:
        return None
    found = _PATH.match(argument, len(keyword))
    if not found or any(char < " " or char == "\x7f" for char in argument):
        return None
    parameters = tuple((found[3] or "").split())
    if not all(_PARAMETER.match(parameter) for parameter in parameters):
        return None
    return Path(found[1] if found[1] is not None else found[2], parameters)


def domain_of(address: str) -> str:
    """Return the domain of an address in lower case, `""` for the null sender or a local part."""
    return address.rpartition("@")[2].lower() if "@" in address else ""
