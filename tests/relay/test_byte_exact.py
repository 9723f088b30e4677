"""Promise 3 over public messages: what is judged and not changed arrives as it was sent.

Good and broken messages of two mail libraries' test suites and ordinary mail, with every extension
that the relay offers in use and with none. The messages lie beside the project and are not part of
it; without them the test is skipped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from relay.company import Mode
from relay.wire import stuff
from tests.relay.neighbours import Client, Hop, always
from tests.relay.running import AOZORA, rules, running

FOLDER = Path(__file__).parents[2].parent / "shared" / "mime"
OBSERVED = replace(AOZORA, mode=Mode.OBSERVE)
SENDER = "recruit@aozora.example.jp"
RECIPIENT = "yui@mail.example.com"
# What stops a message before it is judged. None may: then the test would prove less than it says.
UNJUDGED = {"not_own_company", "mode_off", "internal_error", "time_box"}

SIZE = 40_000_000
# What a client that uses the extension adds to MAIL.
PARAMETERS = {
    f"SIZE {SIZE}": " SIZE={size}",
    "8BITMIME": " BODY=8BITMIME",
    "SMTPUTF8": " SMTPUTF8",
    "DSN": " RET=HDRS ENVID=Number{number}",
}
EXTENSIONS = (*PARAMETERS, "PIPELINING", "ENHANCEDSTATUSCODES")


def messages() -> list[bytes]:
    """Return all messages in the form they have on the wire: each line ends in CRLF."""
    texts = [path.read_bytes() for path in sorted(FOLDER.rglob("*.eml"))]
    return [re.sub(rb"\r\n|\r|\n|(?<![\r\n])\Z", b"\r\n", text) for text in texts]


def send(client: Client, number: int, message: bytes, offered: tuple[str, ...]) -> list[str]:
    """Send a message with all that was offered; return the commands."""
    used = [text for keyword, text in PARAMETERS.items() if keyword in offered]
    parameters = "".join(used).format(size=len(message), number=number)
    wishes = f" NOTIFY=FAILURE ORCPT=rfc822;Yui+2B{number}@Mail.Example.Com"
    commands = [
        f"MAIL FROM:<{SENDER}>{parameters}",
        f"RCPT TO:<{RECIPIENT}>{wishes if 'DSN' in offered else ''}",
    ]
    if "PIPELINING" in offered:
        client.send("".join(f"{line}\r\n" for line in [*commands, "DATA"]).encode())
        replies = [client.reply() for _ in range(3)]
    else:
        replies = [client.say(line) for line in [*commands, "DATA"]]
    assert [reply[:3] for reply in replies] == ["250", "250", "354"]
    client.send(stuff(message))
    assert client.reply() == "250 2.0.0 queued as 4F2A"
    return commands


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the public messages are not beside the project")
@pytest.mark.parametrize(
    "offered", [EXTENSIONS, (), *((each,) for each in EXTENSIONS)], ids=lambda each: "+".join(each)
)
def test_public_messages_arrive_as_they_were_sent(
    next_hop: Hop, tmp_path: Path, offered: tuple[str, ...]
) -> None:
    """Every message arrives byte for byte, and its commands as they were written.

    With no extension, neither the next hop nor the client knows EHLO.
    """
    offer = "\r\n".join(["250-hop.example", *(f"250-{each}" for each in offered), "250 XNEWS"])
    next_hop.answers["EHLO"] = always(offer.encode() if offered else b"502 5.5.1 unknown")
    sent = messages()
    commands: list[str] = []
    observing = rules(OBSERVED)
    with running(next_hop.port, tmp_path, with_rules=observing, size_max_bytes=SIZE) as relay:
        with Client(relay.port) as client:
            greeting = client.say("EHLO client.example" if offered else "HELO client.example")
            assert set(offered) <= set(re.split(r"\n?250[ -]", greeting))
            for number, message in enumerate(sent):
                commands += send(client, number, message, offered)
        reasons = relay.reasons
    wires = next_hop.heard.wires
    identical = sum(wire == stuff(message) for wire, message in zip(wires, sent, strict=True))
    print(f"{len(sent)} sent, {identical} identical; judged: {reasons}")
    assert identical == len(sent) > 500
    assert sum(reasons.values()) == len(sent)
    assert not UNJUDGED & set(reasons)
    heard = [line for _, line in next_hop.heard.commands if line[:5] in ("MAIL ", "RCPT ")]
    assert heard == commands
