"""Where the note stands, in text and in HTML as mail programs and ATS write it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.htmlwords import outline
from relay.partcharset import PartCharset
from relay.placement import HtmlSurface, NoPlace, PlainSurface, own_counts
from relay.visible import visible_text

UTF_8 = PartCharset("utf-8", "utf-8")
JIS = PartCharset("iso2022_jp", "iso2022_jp")
OWN = "We regret to tell you that your application was not successful this time."
SENT_FOR = "Sent for Aozora. This is no place to answer to."
BYE = "We wish you every success with your search for a position."


def html_with_note(body: str, charset: PartCharset = UTF_8) -> str:
    """Return the HTML with `NOTE` where the note would stand, its division as [ and ]."""
    data = body.encode(charset.codec)
    surface = HtmlSurface(data, charset)
    place = surface.place(own_counts([surface])[0], "\n")
    text = data[: place.offset] + b"NOTE" + data[place.offset :]
    mark = "[NOTE]" if "<div" in place.before else "(NOTE)"
    return text.decode(charset.codec).replace("NOTE", mark)


def text_with_note(body: str) -> str:
    """Return the text with the note in it."""
    data = body.encode()
    surface = PlainSurface(data, UTF_8)
    place = surface.place(own_counts([surface])[0], "\n")
    note = (place.before + "NOTE" + place.after).encode()
    return (data[: place.offset] + note + data[place.offset :]).decode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"{OWN}\n{BYE}\n", f"{OWN}\n{BYE}\n\nNOTE\n"),
        (f"{OWN}\n{BYE}", f"{OWN}\n{BYE}\n\nNOTE"),
        (f"{OWN}\n{BYE}\n\n-- \nA\n", f"{OWN}\n{BYE}\n\nNOTE\n\n-- \nA\n"),
        (f"{OWN}\n{BYE}\n-- \nA\n", f"{OWN}\n{BYE}\n\nNOTE\n\n-- \nA\n"),
        (f"{OWN}\n{BYE}\n\n\n\n", f"{OWN}\n{BYE}\n\nNOTE\n\n\n\n"),
        (f"{OWN}\n{BYE}\n\n> old\n", f"{OWN}\n{BYE}\n\nNOTE\n\n> old\n"),
    ],
)
def test_text_stands_between_empty_lines(body: str, expected: str) -> None:
    """The note is a paragraph of its own behind the letter's words."""
    assert text_with_note(body) == expected


@pytest.mark.parametrize("body", ["", "\n\n", "> only a quote\n> of others\n"])
def test_letter_without_own_words_has_no_place(body: str) -> None:
    """Nothing to follow, nothing to add."""
    surface = PlainSurface(body.encode(), UTF_8)
    with pytest.raises(NoPlace):
        surface.place(own_counts([surface])[0], "\n")


QUOTE = (
    '<div class="gmail_quote"><div class="gmail_attr">On x, y wrote:</div>'
    "<blockquote>old words</blockquote></div>"
)
REPLY_HEADER = (
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0mm 0mm 0mm">'
    "<p><b>From:</b> a</p></div>"
)
SMALL_PRINT = (
    '<tr><td style="font-size:12px;color:#888888">Sent by a system. Do not answer it, nobody '
    "reads what you write.</td></tr>"
)
HIDDEN = "<!-- </div> --><div style='display: none'>preheader</div><p hidden>x</p>"


@pytest.mark.parametrize(
    "expected",
    [
        # Plain paragraphs, with and without their closing tags.
        f"<body><p>{OWN}</p><p>{BYE}</p>[NOTE]</body>",
        f"<p>{OWN}<p>{BYE}(NOTE)",
        # Lines in the body itself.
        f"{OWN}<br>{BYE}[NOTE]<br>",
        # Gmail: one division a line, signature, quote.
        f'<div dir="ltr"><div>{OWN}</div><div>{BYE}</div>[NOTE]<br>'
        f'<div class="gmail_signature">A</div></div>{QUOTE}',
        # Word: inside WordSection1, before the reply header.
        f'<div class="WordSection1"><p class="MsoNormal">{OWN}<o:p></o:p></p>'
        f'<p class="MsoNormal"><span>{BYE}</span><o:p></o:p></p>[NOTE]{REPLY_HEADER}</div>',
        # An ATS: inside the cell that holds the letter, not in the footer's cell.
        f"<table><tr><td><p>Hello,</p><p>{OWN}</p><p>{BYE}</p>[NOTE]</td></tr>{SMALL_PRINT}</table>",
        # Text right in the cell.
        f"<table><tr><td><font>{OWN}<br>{BYE}</font>[NOTE]</td></tr></table>",
        # A letter in one paragraph with its signature: only inline content fits.
        f"<p>{OWN}<br>{BYE}(NOTE)<br>-- <br>A</p>",
        # The whole letter in one division keeps its font for the note, too.
        f"<div>{OWN}<br>{BYE}[NOTE]</div>",
        # A list is left as a whole.
        f"<p>{OWN}</p><ul><li>x</li><li>{BYE}</li></ul>[NOTE]",
        # Nothing hidden, commented or scripted counts, and no tag inside an attribute.
        f"<style>p > a {{}}</style><script>'</p>'</script><p title='</p>'>{BYE}</p>[NOTE]{HIDDEN}",
        # A link is left before anything is added.
        f"<div>{OWN}<br><a href=x>{BYE}</a>[NOTE]</div>",
        # A head that is never closed.
        f"<html><head><title>x</title><body><p>{OWN}</p>[NOTE]",
        # What never ends hides what follows; the note stands before it.
        f"<p>{OWN}</p>[NOTE]<!-- <p>never shown</p>",
        f"<p>{OWN}</p>[NOTE]<p title='x",
        # An unknown end tag closes nothing.
        f"<div><p>{OWN}</span></p>[NOTE]</div>",
        # MJML: every cell is of size 0, and the text in it of a size of its own.
        f'<table><tr><td style="font-size:0px"><div style="font-size:13px">{OWN}<br>{BYE}[NOTE]'
        "</div></td></tr></table>",
        # A white preheader, and white words on a dark bar.
        f'<div style="color:#fff">{BYE}</div><p style="background:#123;color:#fff">{OWN}</p>[NOTE]',
        # More indentation, as Gmail makes it.
        f'<p>{OWN}</p><blockquote style="margin:0 0 0 40px;border:none">{BYE}</blockquote>[NOTE]',
        # Nested tables.
        f"<table><tr><td><table><tr><td>{OWN}<td>x<tr><td>{BYE}[NOTE]</table></table>",
    ],
)
def test_html_place(expected: str) -> None:
    """The note stands behind the letter's words, in the element that holds them."""
    body = expected.replace("[NOTE]", "").replace("(NOTE)", "")
    assert html_with_note(body) == expected


def test_japanese_html_in_iso_2022_jp() -> None:
    """Bytes of kanji that look like tags are none, and the note stands in ASCII state."""
    # 重 is 0x3D 0x45, 斜 0x3C 0x50: "<" stands inside the characters.
    body = "<p>斜重な選考の結果、今回は採用を見送らせていただきます。</p><p>株式会社あおぞら</p>"
    expected = body.replace("</p><p>", "</p>[NOTE]<p>")
    assert html_with_note(body, JIS) == expected


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<p></p>",
        "<img src=x>",
        "<div style='display:none'>x</div>",
        "<blockquote>old</blockquote>",
        "<!-- x",
        f"<a href=x>{OWN}",
        # No gap between the tags stands before the signature.
        f"<pre>{OWN}\n-- \nA</pre>",
        f'<div style="font-size:1px">{OWN}</div>',
    ],
)
def test_html_without_a_place(body: str) -> None:
    """Where nothing is shown, or no gap is free, there is no place."""
    surface = HtmlSurface(body.encode(), UTF_8)
    with pytest.raises(NoPlace):
        surface.place(own_counts([surface])[0], "\n")


def test_alternatives_agree_on_the_end() -> None:
    """The ruler in the text also ends the HTML's letter, where it is just another line."""
    plain = PlainSurface(f"Hello,\n\n{OWN}\n\n{BYE}\n\n-- \n{SENT_FOR}\n".encode(), UTF_8)
    rich = HtmlSurface(
        f"<p>Hello,</p><p>{OWN}</p><p>{BYE}</p><p>{SENT_FOR}</p>".encode(),
        UTF_8,
    )
    assert own_counts([rich]) == [4]
    assert own_counts([plain, rich]) == [5, 3]
    assert own_counts([rich, plain]) == [3, 5]


def test_words_met_twice_agree_on_nothing() -> None:
    """An end that is found in two places says nothing about the other alternative."""
    plain = PlainSurface(f"{OWN}\n\n-- \nA\n".encode(), UTF_8)
    rich = HtmlSurface(f"<p>{OWN}</p><p>{OWN}</p><p>More words of ours here.</p>".encode(), UTF_8)
    assert own_counts([plain, rich])[1] == 3


def test_deep_nesting_ends_the_scan() -> None:
    """A tower of elements costs nothing: what is beyond is not looked at."""
    lines, _ = outline(b"<p>near</p>" + b"<div>" * 5000 + b"far", UTF_8)
    assert [line.text for line in lines] == ["near"]


MARKUP = (
    "<p>|</p>|<div>|</div>|<div style='display:none'>|<td>|</td>|<table>|</table>|<tr>|<ul>|<li>"
    "|</ul>|<!--|-->|<a href=x>|</a>|<script>|</script>|<style>|</style>|<b>|</b>|<br/>"
    "|<blockquote>|</blockquote>|<body>|</body>|</html>|<head>|<title>|</title>|<h1>"
    "|<span title='|'>|<|>|=|&amp;"
    '|&#x|Words of ours. |お祈り申し上げます。|<select>|<pre>|</pre>|<svg>|<form>|<button>|"'
    "|<textarea>"
)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(MARKUP.split("|")), max_size=25).map("".join))
def test_note_is_visible_wherever_it_stands(body: str) -> None:
    """An HTML parser of its own sees the note as text, and all the words that were there before."""
    surface = HtmlSurface(body.encode(), UTF_8)
    try:
        place = surface.place(own_counts([surface])[0], "\n")
    except NoPlace:
        return
    if not surface.shows(place, "NOTE"):
        return
    data = body.encode()
    note = f"{place.before}NOTE{place.after}".encode()
    seen = visible_text((data[: place.offset] + note + data[place.offset :]).decode())
    assert "NOTE" in seen.split("\n")
    assert seen.replace("NOTE", "").split() == visible_text(body).split()


@pytest.mark.parametrize("unit", ["<p>", "<td", "<a b='", "<!--", "</p>", "<script>", "&#", "< "])
def test_hostile_markup_takes_linear_time(unit: str) -> None:
    """Half a megabyte of any one piece is scanned at once."""
    outline((unit * (500_000 // len(unit))).encode(), UTF_8)


# Lines of every charset, broken ones and those that change the state of ISO-2022-JP among them.
LINE_PIECES = (
    *("見送り".encode(codec) for codec in ("utf-8", "iso2022_jp", "cp932", "euc_jp")),
    *(b"\x1b$B", b"\x1b(B", b"\x1b(I", b"\x1b$(D", b"\x1b&@\x1b$B", b"\x0e", b"\x0f", b"!!", b"-!"),
    *(b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1b", b"a", b" ", b"0!", b"\x80"),
)


@pytest.mark.parametrize("codec", ["ascii", "utf-8", "iso2022_jp", "cp932", "euc_jp"])
@given(pieces=st.lists(st.sampled_from(LINE_PIECES), max_size=12))
@settings(max_examples=300, deadline=None)
def test_lines_read_as_if_decoded_one_by_one(codec: str, pieces: list[bytes]) -> None:
    """What a line says does not depend on the lines before it, whatever the bytes are."""
    charset = PartCharset(codec, codec)
    body = b"".join(pieces)
    one_by_one = [charset.decode(line.removesuffix(b"\r")) for line in body.split(b"\n")]
    if body.endswith(b"\n") or not body:
        one_by_one.pop()
    assert PlainSurface(body, charset).lines == one_by_one
