"""TLS and AUTH towards the next hop: as much as was asked for, or no mail."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from relay import downstream
from relay.downstream import NextHop
from relay.nexthops import Extensions, HopSettings
from relay.tls import TlsMode, client_context
from tests.relay.certificates import Authority, make_authority
from tests.relay.neighbours import HANGS, always, hop, offers
from tests.relay.nexthop_letters import (
    AWAY,
    WIRE,
    Sent,
    send,
    send_one,
    settings_for,
    with_next_hop,
)

PASSWORD = b"correct horse battery"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Make an authority for the hop's certificate."""
    return make_authority(tmp_path)


def context_of(authority: Authority, name: str = "127.0.0.1") -> ssl.SSLContext:
    """Return a hop's context with a certificate for this name."""
    return authority.server_context(authority.issue([name]))


def verified(authority: Authority) -> dict[str, object]:
    """Return settings that demand a certificate of this authority."""
    context = client_context(TlsMode.VERIFIED, authority.path, None)
    return {"tls": TlsMode.VERIFIED, "context": context}


@pytest.mark.parametrize("mode", [TlsMode.OPPORTUNISTIC, TlsMode.REQUIRED])
def test_starttls_is_used_where_offered(authority: Authority, mode: TlsMode) -> None:
    """The letter goes encrypted, behind an EHLO of its own, whatever the certificate."""
    with hop(start_tls=context_of(authority, "other.example")) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS")
        assert send_one(settings_for(running_hop, tls=mode)).answer.startswith("250 ")
        assert running_hop.heard.encrypted == [1]
        verbs = ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
        assert running_hop.heard.verbs(1) == verbs


def test_tls_can_be_switched_off(authority: Authority) -> None:
    """With `off`, STARTTLS is never said, even where it is offered."""
    with hop(start_tls=context_of(authority)) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS")
        assert send_one(settings_for(running_hop, tls=TlsMode.OFF)).answer.startswith("250 ")
        assert "STARTTLS" not in running_hop.heard.verbs(1)
        assert running_hop.heard.wires == [WIRE]


@pytest.mark.parametrize("mode", [TlsMode.REQUIRED, TlsMode.VERIFIED])
@pytest.mark.parametrize("offer", ["SIZE 1000", "STARTTLS"], ids=["not offered", "refused"])
def test_without_the_tls_that_is_required_no_letter_goes(mode: TlsMode, offer: str) -> None:
    """The client hears 451, and nothing of the letter was said in plain text."""
    with hop() as running_hop:
        running_hop.answers["EHLO"] = offers(offer)
        assert send_one(settings_for(running_hop, tls=mode)).answer == AWAY
        assert running_hop.heard.connections == 1
        assert "MAIL" not in running_hop.heard.verbs(1)


def test_a_hanging_starttls_leaves_time_for_plain_text(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opportunistic TLS that gets no answer takes half the time; the letter goes in the other."""
    monkeypatch.setattr(downstream, "CONNECT_SECONDS", 2.0)
    with hop(start_tls=context_of(authority)) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS")
        running_hop.answers["STARTTLS"] = always(HANGS)
        assert send_one(settings_for(running_hop)).answer.startswith("250 ")
        assert running_hop.heard.verbs(2) == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "implicit"])
@pytest.mark.parametrize(
    ("certified", "server_name", "arrives"),
    [
        ("127.0.0.1", "", True),
        ("mx.example.com", "mx.example.com", True),
        ("mx.example.com", "", False),
        ("other.example.com", "mx.example.com", False),
    ],
)
def test_verified_means_the_name_that_was_set(
    authority: Authority, is_implicit: bool, certified: str, server_name: str, arrives: bool
) -> None:
    """The certificate must prove the host's name, or the one set for it."""
    context = context_of(authority, certified)
    tls = {"implicit_tls": context} if is_implicit else {"start_tls": context}
    with hop(**tls) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS")
        sent = send_one(
            settings_for(
                running_hop,
                server_name=server_name,
                is_implicit_tls=is_implicit,
                **verified(authority),
            )
        )
        assert sent.answer == ("250 2.0.0 queued as 4F2A" if arrives else AWAY)
        assert running_hop.heard.wires == ([WIRE] if arrives else [])
        assert arrives or "certificate" in sent.reason.lower()


def test_a_stranger_s_certificate_is_not_verified(authority: Authority, tmp_path: Path) -> None:
    """The right name, signed by an authority that is not ours, gets no mail."""
    stranger = make_authority(tmp_path / "stranger")
    with hop(start_tls=context_of(stranger)) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS")
        assert send_one(settings_for(running_hop, **verified(authority))).answer == AWAY
        assert "MAIL" not in running_hop.heard.verbs(1)


def test_the_next_hop_sees_our_certificate(authority: Authority) -> None:
    """A hop that demands a client certificate gets ours."""
    demanding = context_of(authority)
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_verify_locations(authority.path)
    ours = client_context(TlsMode.REQUIRED, None, authority.issue(["relay.example"]))
    with hop(start_tls=demanding) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS")
        sent = send_one(settings_for(running_hop, tls=TlsMode.REQUIRED, context=ours))
        assert sent.answer.startswith("250 ")
        assert running_hop.heard.certificates[0]


def test_a_letter_of_many_pieces_arrives_over_tls(authority: Authority) -> None:
    """A large letter is the same behind TLS, octet for octet."""
    wire = b"".join(b"%09d " % number * 7 + b"\r\n" for number in range(80_000)) + b".\r\n"
    assert len(wire) > 10 * downstream.PIECE_BYTES
    with hop(implicit_tls=context_of(authority)) as running_hop:
        settings = settings_for(running_hop, is_implicit_tls=True)
        assert send_one(settings, wire=wire).answer.startswith("250 ")
        assert running_hop.heard.wires == [wire]


def test_extensions_are_those_under_tls(authority: Authority) -> None:
    """What is offered before STARTTLS counts for nothing; REQUIRETLS only where verified."""
    with hop(start_tls=context_of(authority)) as running_hop:
        plain = offers("STARTTLS", "DSN")
        encrypted = offers("SIZE 1000", "REQUIRETLS", "XFORWARD NAME ADDR")
        running_hop.answers["EHLO"] = lambda number, line: (
            encrypted if number in running_hop.heard.encrypted else plain
        )(number, line)
        both = [
            with_next_hop(settings_for(running_hop, **each), NextHop.extensions)
            for each in ({"tls": TlsMode.REQUIRED}, verified(authority))
        ]
    usual = (("SIZE", "1000"), ("XFORWARD", "NAME ADDR"))
    assert both[0] == Extensions(usual)
    assert both[1] == Extensions((usual[0], ("REQUIRETLS", ""), usual[1]))


@pytest.mark.parametrize(
    ("offer", "mechanism"),
    [("AUTH LOGIN PLAIN CRAM-MD5", "PLAIN"), ("AUTH LOGIN", "LOGIN"), ("AUTH=LOGIN", "LOGIN")],
)
def test_the_relay_shows_who_it_is(authority: Authority, offer: str, mechanism: str) -> None:
    """User and password arrive, by a mechanism that the hop offers, before the letter."""
    with hop(start_tls=context_of(authority)) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS", offer)
        settings = settings_for(running_hop, user="relay", password=PASSWORD)
        assert send_one(settings).answer.startswith("250 ")
        assert running_hop.heard.logins == [(mechanism, b"relay", PASSWORD)]


@pytest.mark.parametrize("offer", ["AUTH PLAIN", "AUTH LOGIN", "AUTH CRAM-MD5", "DSN"])
@pytest.mark.parametrize("answer", [b"535 5.7.8 relay/Y29ycmVjdA==", b"454 4.7.0 later"])
def test_a_login_that_fails_is_a_next_hop_away(
    authority: Authority, offer: str, answer: bytes
) -> None:
    """The client hears 451; the operator reads host and reason, and never the hop's own words."""
    with hop(start_tls=context_of(authority)) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS", offer)
        running_hop.answers["AUTH"] = always(answer)
        settings = settings_for(running_hop, user="relay", password=PASSWORD)
        sent = send_one(settings)
        assert sent.answer == AWAY
        assert f"127.0.0.1:{running_hop.port}: AUTH: " in sent.reason
        assert "Y29" not in sent.reason
        assert "MAIL" not in running_hop.heard.verbs(1)


def test_a_password_never_goes_in_plain_text() -> None:
    """Without TLS there is no AUTH, and without AUTH no letter; its value is in no repr."""
    with hop() as running_hop:
        running_hop.answers["EHLO"] = offers("AUTH PLAIN LOGIN")
        settings = settings_for(running_hop, tls=TlsMode.OFF, user="relay", password=PASSWORD)
        assert send_one(settings).answer == AWAY
        assert running_hop.heard.logins == []
    assert "horse" not in repr(settings)


def test_a_reply_slipped_in_before_tls_is_not_believed(authority: Authority) -> None:
    """What stands behind the 220 of STARTTLS came in plain text: it counts for nothing."""
    with hop(start_tls=context_of(authority)) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS")
        running_hop.answers["STARTTLS"] = always(b"220 go\r\n250-hop.example\r\n250 XFORWARD NAME")
        settings = settings_for(running_hop, tls=TlsMode.REQUIRED)

        async def ask(next_hop: NextHop) -> tuple[Extensions, Sent]:
            return await next_hop.extensions(), await send(next_hop)

        extensions, sent = with_next_hop(settings, ask)
        assert "XFORWARD" not in dict(extensions.keywords)
        assert sent.answer.startswith("250 ")


def test_settings_that_contradict_themselves_are_refused(authority: Authority) -> None:
    """No host, or implicit TLS without TLS, is found when the settings are made."""
    with hop() as running_hop, pytest.raises(ValueError, match="implicit TLS"):
        settings_for(running_hop, is_implicit_tls=True, tls=TlsMode.OFF)
    with pytest.raises(ValueError, match="at least one"):
        HopSettings((), "relay.example")
