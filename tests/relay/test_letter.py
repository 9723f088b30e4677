"""A message as the letter a person reads."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.envelope import Envelope
from relay.letter import Letter, read_letter
from relay.mimemap import MapError, map_message

ENVELOPE = Envelope("hr@example.com", ("ann@mail.example.com",))


def read(head: str, body: bytes) -> Letter:
    """Return the letter in a message of these header lines and this body."""
    lines = head.strip().replace("\n", "\r\n").encode()
    return read_letter(map_message(lines + b"\r\n\r\n" + body), ENVELOPE)


def test_headers_are_decoded() -> None:
    """Subject, display name and address of From, and the To field are read."""
    letter = read(
        "Subject: =?utf-8?b?6YG46ICD57WQ5p6c?=\nFrom: =?utf-8?b?5Lq65LqL?= <hr@example.com>\n"
        "To: Ann <ann@mail.example.com>",
        b"x",
    )
    assert (letter.subject, letter.sender_name, letter.sender) == (
        "選考結果",
        "人事",
        "hr@example.com",
    )
    assert letter.recipients == ENVELOPE.recipients
    assert letter.addressed_to == "Ann <ann@mail.example.com>"


def test_any_charset_and_encoding_reads_alike() -> None:
    """The same sentence in ISO-2022-JP, Shift_JIS, EUC-JP and UTF-8, plain or base64."""
    text = "採用を見送らせていただきます。"
    for charset in ("iso-2022-jp", "shift_jis", "euc-jp", "utf-8"):
        head = f"Content-Type: text/plain; charset={charset}"
        plain = read(head, text.encode(charset))
        coded = base64.encodebytes(text.encode(charset)).replace(b"\n", b"\r\n")
        encoded = read(head + "\nContent-Transfer-Encoding: base64", coded)
        assert plain.text == encoded.text == text


def test_flowed_lines_are_joined() -> None:
    """Soft line breaks of format=flowed disappear, with delsp also their space."""
    head = "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes"
    assert read(head, "採用を見送 \r\nります。\r\n".encode()).text == "採用を見送ります。"
    head = "Content-Type: text/plain; format=flowed"
    assert read(head, b"other \r\ncandidates\r\n> quoted \r\n").text == "other candidates"


def test_own_text_and_history_are_told_apart() -> None:
    """What stands below the writer's own text is history."""
    letter = read("Subject: Re: x", b"No.\r\n\r\nOn Monday, Ann wrote:\r\n> Any news?\r\n")
    assert letter.text == "No."
    assert "Any news?" in letter.history


ALTERNATIVE = """Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

{plain}
--b
Content-Type: text/html

{html}
--b--
"""


def alternative(plain: str, html: str) -> Letter:
    """Return the letter with both alternatives."""
    message = ALTERNATIVE.format(plain=plain, html=html).replace("\n", "\r\n").encode()
    return read_letter(map_message(message), ENVELOPE)


def test_the_plain_alternative_is_read() -> None:
    """Of two alternatives the plain one is the letter."""
    assert alternative("We are sorry.", "<p>We are <b>sorry</b>.</p>").text == "We are sorry."


def test_a_hint_is_no_letter() -> None:
    """A plain part that only says to use another program gives way to the HTML."""
    html = "<p>" + "We are sorry to say that we hired another candidate. " * 4 + "</p>"
    assert "another candidate" in alternative("Please view as HTML.", html).text


@pytest.mark.parametrize(
    "hint",
    [
        "",
        "This message is in HTML. Please use a program that shows HTML, or open it in your browser:"
        f" https://ats.example.com/view/{'a' * 150}",
        "本メールはHTML形式です。表示されない場合はこちらをご覧ください。 https://ats.example.jp/v/1",
    ],
    ids=["empty", "english", "japanese"],
)
def test_a_stub_gives_way_to_the_html(hint: str) -> None:
    """However long the link in it is; a letter as short as that stays the letter."""
    html = "<p>" + "We are sorry to say that we hired another candidate. " * 6 + "</p>"
    assert "another candidate" in alternative(hint, html).text
    assert alternative("We hired somebody.", "<p>We hired <b>somebody</b>.</p>").text[-1] == "."


def mixed(*parts: tuple[str, str]) -> Letter:
    """Return the letter in a multipart/mixed of these header lines and bodies."""
    body = "".join(f"--m\n{head}\n\n{text}\n" for head, text in parts) + "--m--\n"
    return read(
        "Content-Type: multipart/mixed; boundary=m", body.replace("\n", "\r\n").encode("utf-8")
    )


PLAIN = "Content-Type: text/plain; charset=utf-8"
HTML = "Content-Type: text/html; charset=utf-8"
PICTURE = "Content-Type: image/png; name=a.png\nContent-Disposition: inline; filename=a.png"


def test_a_letter_goes_on_behind_a_picture() -> None:
    """Apple Mail cuts a letter in two there; what follows a signature or a quote is history."""
    first, last = "We looked at your work.", "We have chosen another candidate."
    assert mixed((PLAIN, first), (PICTURE, "x"), (PLAIN, last)).text.split("\n") == [first, last]
    quote = f"{first}\n\nOn Monday, A wrote:\n> Any news?"
    letter = mixed((PLAIN, quote), (PICTURE, "x"), (PLAIN, last))
    assert letter.text == first


def test_an_empty_text_before_the_html_is_no_letter() -> None:
    """Some programs put an empty text part first."""
    assert (
        mixed((PLAIN, ""), (HTML, "<p>We chose another.</p>")).text.strip() == "We chose another."
    )


def test_the_footer_of_a_gateway_is_not_the_letter() -> None:
    """A legal text in a part of its own is no alternative to the letter, however long it is."""
    footer = "<p>" + "This e-mail is confidential. " * 9 + "</p>"
    assert mixed((PLAIN, "We chose another."), (HTML, footer)).text == "We chose another."


def test_a_forwarded_message_is_not_the_letter() -> None:
    """A letter attached as a message, alone or below some words, belongs to its own writer."""
    old = "Subject: x\nContent-Type: text/plain\n\nWe chose another candidate."
    assert mixed((PLAIN, "See below."), ("Content-Type: message/rfc822", old)).text == "See below."
    assert read("Content-Type: message/rfc822", old.encode()).text == ""


def test_nested_alternatives_are_found() -> None:
    """The letter stands three levels deep, beside its pictures and attachments."""
    related = f"--r\n{HTML}\n\n<p>{'We chose another. ' * 20}</p>\n--r\n{PICTURE}\n\nx\n--r--"
    inner = f"--b\n{PLAIN}\n\nView as HTML.\n--b\nContent-Type: multipart/related; boundary=r"
    letter = mixed(
        ("Content-Type: multipart/alternative; boundary=b", f"{inner}\n\n{related}\n--b--"),
        ("Content-Type: application/pdf; name=a.pdf", "x"),
    )
    assert letter.text.startswith("We chose another.")


def test_what_nobody_sees_is_not_read() -> None:
    """Zero-width and soft hyphen characters are part of no word, in text and subject."""
    letter = read(
        "Subject: =?utf-8?b?6YG44oCL6ICD?=\nContent-Type: text/plain; charset=utf-8",
        "見\u200b送\u2060らせ\u00adて\ufeffいただきます。\u034f \u200c".encode(),
    )
    assert (letter.subject, letter.text.strip()) == ("選考", "見送らせていただきます。")


@pytest.mark.parametrize("codec", ["shift_jis", "euc_jp", "gb18030", "windows-1252"])
def test_html_without_a_label_says_its_charset_itself(codec: str) -> None:
    """The meta element counts where the header says nothing."""
    text = {
        "gb18030": "很遗憾地通知您，您未被录用。",
        "windows-1252": "We don’t.",
    }.get(codec, "採用見送。")
    html = f'<html><head><meta http-equiv="x" content="text/html; charset={codec}"><body>{text}'
    assert read("Content-Type: text/html", html.encode(codec)).text == text


def test_attachments_are_not_the_letter() -> None:
    """A text file or a forwarded message that is attached is not read."""
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\n"
        b"We hired another candidate.\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee file.\r\n--b--"
    )
    assert read_letter(map_message(message), ENVELOPE).text == "See file."


def test_automatic_replies_are_told_from_generated_mail() -> None:
    """An absence notice is a reply; a tracking system's mail is only generated."""
    assert read("Auto-Submitted: auto-replied (vacation)", b"x").is_auto_reply
    assert not read("Auto-Submitted: auto-generated", b"x").is_auto_reply
    assert not read("Subject: x", b"x").is_auto_reply


@given(st.binary(max_size=2000))
def test_any_message_that_has_a_map_can_be_read(data: bytes) -> None:
    """Reading raises nothing, whatever the bytes."""
    try:
        message_map = map_message(data)
    except MapError:
        return
    read_letter(message_map, ENVELOPE)
