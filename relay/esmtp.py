"""Parameters of MAIL and RCPT, and what a connection must offer to be given them (RFC 5321 §2.2.1).

The client was told what one next hop offers. Another one, which stands in for it, may offer less:
it would refuse the letter for good, though the first would have taken it. Bytes in, bytes out.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from relay.nexthops import NextHopAway

# The extension that defines each parameter. SIZE is not here: a letter arrives as well without it.
DEFINED_BY = {
    b"BODY": "8BITMIME",
    b"SMTPUTF8": "SMTPUTF8",
    b"RET": "DSN",
    b"ENVID": "DSN",
    b"NOTIFY": "DSN",
    b"ORCPT": "DSN",
    b"REQUIRETLS": "REQUIRETLS",
}

# Up to the end of the path. No part can match in two ways, so nothing is ever tried again.
_PATH = re.compile(
    rb'[^:]*:[ \t]*(?:<(?:"(?:[^"\\]++|\\.)*"|\\.|[^<>"\s\\]++)*>|[^<>"\s]++)', re.DOTALL
)


def fit(verb: bytes, argument: bytes, offered: Collection[str], told: Collection[str]) -> bytes:
    """Return the argument of a command as a connection with these extensions may have it.

    `told` is what any next hop has ever offered, and with it what a client may have heard.
    `NextHopAway` if the command needs one of those and the connection lacks it: the client tries
    again, and its next EHLO hears the truth. What nobody offered is the next hop's to refuse.
    """
    if verb == b"XFORWARD":
        _need("XFORWARD", offered, told)
        return argument
    if verb not in (b"MAIL", b"RCPT") or b" " not in argument:
        return argument  # Most commands end with the path.
    end = _path_end(argument)
    parameters = argument[end:].split()
    kept = [each for each in parameters if _is_kept(each, offered, told)]
    if len(kept) == len(parameters):
        return argument  # Octet for octet, white space too.
    return b" ".join((argument[:end], *kept))


def _path_end(argument: bytes) -> int:
    if b'"' not in argument and b"\\" not in argument and b"<" in argument:
        return argument.find(b">") + 1
    path = _PATH.match(argument)
    return path.end() if path else len(argument)


def _is_kept(parameter: bytes, offered: Collection[str], told: Collection[str]) -> bool:
    keyword = parameter.partition(b"=")[0].upper()
    if keyword == b"SIZE":
        return "SIZE" in offered  # RFC 1870 §6: we offer it whatever the next hop does.
    if keyword == b"AUTH":
        return (
            False  # RFC 4954 §5: who wrote the letter is the word of one whom we do not vouch for.
        )
    if keyword in DEFINED_BY:
        _need(DEFINED_BY[keyword], offered, told)
    return True


def _need(extension: str, offered: Collection[str], told: Collection[str]) -> None:
    # RFC 8689 §4.2.1: a letter that asks for REQUIRETLS never goes where it is not offered.
    if extension not in offered and (extension in told or extension == "REQUIRETLS"):
        raise NextHopAway(f"this next hop does not offer {extension}")
