"""XFORWARD (Postfix' XFORWARD_README): who gave a message to the system before us, for its logs.

The command goes on to the next hop as it came; here its form is checked, so that nothing but
printable attributes of the known names reaches the next hop's log. Characters that only mean
something in header fields are for the next hop to replace, as Postfix does. Nothing of it is used
or logged here.
"""

from __future__ import annotations

import re

NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")

VALUE_MAX_CHARACTERS = 255  # What the README sets; for PROTO it is 64.
PROTO_MAX_CHARACTERS = 64
PORT_MAX = 65535

# RFC 3461 §4: printable ASCII but "+" and "=", and "+" with two upper-case digits. Postfix takes
# "=" and lower-case digits as well.
_XTEXT = re.compile(r"(?:[!-*,-~]|\+[0-9A-Fa-f]{2})+")
_HEXCHAR = re.compile(r"\+([0-9A-Fa-f]{2})")
_PRINTABLE = re.compile(r"[!-~]+")
_UNAVAILABLE = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


def parse_xforward(argument: str) -> tuple[tuple[str, str], ...] | None:
    """Return the attributes in order, names in upper case and values decoded.

    `None` is a syntax error.
    """
    pairs: list[tuple[str, str]] = []
    for word in argument.split(" "):
        if not word:
            continue
        name, _, encoded = word.partition("=")
        name = name.upper()
        value = _decode(encoded)
        # Upper case makes ASCII of some letters that are none.
        if not word.isascii() or name not in NAMES or value is None or not _fits(name, value):
            return None
        pairs.append((name, value))
    return tuple(pairs) or None


def offered(arguments: str) -> str:
    """Return those of the next hop's attribute names that are known here, in its order."""
    return " ".join(
        name for name in arguments.split(" ") if name.isascii() and name.upper() in NAMES
    )


def _decode(encoded: str) -> str | None:
    if not _XTEXT.fullmatch(encoded):
        return None
    value = _HEXCHAR.sub(lambda found: chr(int(found[1], 16)), encoded)
    if len(value) > VALUE_MAX_CHARACTERS or not _PRINTABLE.fullmatch(value):
        return None
    return value


def _fits(name: str, value: str) -> bool:
    if value.upper() in _UNAVAILABLE:
        return True
    match name:
        case "PORT":
            return value.isdigit() and int(value) <= PORT_MAX
        case "PROTO":
            return len(value) <= PROTO_MAX_CHARACTERS
        case "SOURCE":
            return value.upper() in ("LOCAL", "REMOTE")
        case _:
            return True
