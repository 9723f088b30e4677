"""Where the note stands, in text and in HTML as mail programs and ATS write it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.htmlwords import outline
from relay.partcharset import PartCharset
from relay.placement import HtmlSurface, NoPlace, Place, PlainSurface, own_counts
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


def html_place(body: str, charset: PartCharset = UTF_8) -> Place:
    """Return the place of the note in HTML, with what stands around it."""
    surface = HtmlSurface(body.encode(charset.codec), charset)
    return surface.place(own_counts([surface])[0], "\n")


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
BUTTON = '<td bgcolor="#25f"><a href="x" style="display:inline-block">See other jobs</a></td>'
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
        # Outlook on the web and Word, in a reply: nothing marks the history but where it begins.
        f'<div>{OWN}</div><div>{BYE}</div>[NOTE]<div id="appendonsend"></div><hr>'
        '<div id="divRplyFwdMsg"><b>From:</b> a<br><b>To:</b> b</div>'
        "<div>Hello Anna,<br>is there any news?<br>Maria</div>",
        f"<p>{OWN}</p>[NOTE]{REPLY_HEADER}<p>Hello Anna,</p><p>is there any news?</p>",
        # A button in a cell of its own is none of the letter's words, unless they speak of it.
        f"<table><tr><td><p>Hi,</p><p>{OWN}</p>[NOTE]<table><tr>{BUTTON}</tr></table></td></tr>"
        "</table>",
        f"<table><tr><td><p>Hi,</p><p>{OWN}</p>[NOTE]<p>The Aozora Team</p></td></tr>"
        f"<tr>{BUTTON}</tr></table>",
        f"<table><tr><td><p>{OWN}</p><p>Our other positions are here:</p><table><tr>{BUTTON}</tr>"
        "</table>[NOTE]</td></tr></table>",
        # Small print on a dark card is fainter than the letter, and no grey.
        '<table bgcolor="#161d36"><tr><td><p style="color:#d6dcf5">Hi,</p><p style="color:#d6dcf5">'
        f'{OWN}</p><p style="color:#d6dcf5">{BYE}</p>[NOTE]</td></tr><tr><td style="font:400 12px/'
        '1.5 Arial;color:#8f9bc7">Aozora, Hill Road. You can have your data deleted.</td></tr>'
        "</table>",
        # The line break that ends the last line stays with it, the empty line stays below.
        f"<div>{OWN}<br>{BYE}<br>[NOTE]<br>-- <br>A</div>",
        # Not bold because the last line is.
        f"<p>{OWN}<br><b>{BYE}</b>(NOTE)<br>-- <br>A</p>",
        # Nested tables.
        f"<table><tr><td><table><tr><td>{OWN}<td>x<tr><td>{BYE}[NOTE]</table></table>",
    ],
)
def test_html_place(expected: str) -> None:
    """The note stands behind the letter's words, in the element that holds them."""
    body = expected.replace("[NOTE]", "").replace("(NOTE)", "")
    assert html_with_note(body) == expected


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        # Word: the style sheet holds for the class, and the letter's font is that of a span.
        (
            f'<p class=MsoNormal align=center style="text-align:center"><b><span style="font-size:'
            f'12.0pt;font-family:&quot;Georgia&quot;,serif;mso-fareast-language:EN-US">{OWN}'
            "<o:p></o:p></span></b></p>",
            '<p class="MsoNormal"> <span style="font-size:12.0pt;font-family:&quot;Georgia&quot;,'
            'serif">',
        ),
        # Outlook on the web: a division for each line, with the font in it.
        (
            f'<div>Hi,</div><div class="elementToProof" style="font-family: Aptos; color: #000">\n'
            f"{OWN}</div>",
            '<div class="elementToProof" style="font-family: Aptos;color: #000">',
        ),
        # An old one, and one that indents.
        (
            f'<font face="Arial" size=2 color="#333"><p style="margin-left:20px;border:1px solid">'
            f"{OWN}</p></font><p>-- <br>A</p>",
            '<font face="Arial" size="2" color="#333"> <p style="margin-left:20px">',
        ),
        # A closing word stands where it likes.
        (
            f'<p class="text">{OWN}</p><p class="right">敬具</p>',
            '<p class="text">',
        ),
        # Nor does what is hidden on telephones hide the note there.
        (f'<p class="text desktop-only">{OWN}</p>', "<p>"),
        # White words have their dark bar with them.
        (
            f'<p style="background:#123;color:#fff">{OWN}</p>',
            '<p style="background:#123;color:#fff">',
        ),
        # What a list is set in, without its marks; a link's colour is its own.
        (
            f'<ul style="color:#246"><li>{OWN}</li></ul>',
            '<div style="color:#246">',
        ),
        (f'<div>Hi,</div><div><a style="color:#00f">{OWN}</a></div>', ""),
        # Fixed pitch, with lines that are wrapped.
        (f"<pre>{OWN}</pre>", '<pre style="white-space:normal">'),
        # No tag is longer than a line may be, and nothing but names is a class.
        (f'<p style="font-family:{"x" * 900}">{OWN}</p>', ""),
        (
            f"<p class='a\"onload=b' style='color:&quot;&gt;red'>{OWN}</p>",
            '<p style="color:&quot;&gt;red">',
        ),
    ],
)
def test_note_is_set_as_the_letter(body: str, tags: str) -> None:
    """Around the note stands what sets the last paragraph: its classes, font, colour, indent."""
    place = html_place(body)
    around = [line for line in place.before.split("\n") if line]
    assert " ".join(around[1:]) == tags
    names = [tag[1:].partition(" ")[0].rstrip(">") for tag in around]
    assert place.after.strip() == "".join(f"</{name}>" for name in reversed(names))


def test_note_within_a_paragraph_is_set_as_its_words() -> None:
    """Where the font ends with the last words, the note has it all the same, and space below."""
    place = html_place(f'<p><font face="Arial">{OWN}<br>{BYE}</font><br>-- <br>A</p>')
    assert (place.before, place.after) == ("<br>\n<br>\n", "<br>\n")
    place = html_place(f'<p><b><font face="Arial">{OWN}</font></b><br><br>-- <br>A</p>')
    assert place.before == '<br>\n<br>\n<font face="Arial">\n'
    assert place.after == "</font>"


@pytest.mark.parametrize(
    ("below", "margin"),
    [
        ("", "1em 0"),
        ("<p>-- </p><p>A</p>", "1em 0"),
        ("<br><div>-- <br>A</div>", "1em 0 0"),
        ("<p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>-- </p>", "1em 0 0"),
    ],
)
def test_space_below_is_one_empty_line(below: str, margin: str) -> None:
    """The letter's own empty line is enough where it has one."""
    assert f'<div style="margin:{margin};' in html_place(f"<p>{OWN}</p>{below}").before


@pytest.mark.parametrize("tag", ["div", "p"])
def test_line_ends_of_ours_are_not_seen_where_lines_are_kept(tag: str) -> None:
    """In text as it was typed, the note is wrapped and has no empty lines of its own."""
    end = "<br>-- <br>A" if tag == "p" else ""
    place = html_place(f'<{tag} style="white-space:pre-wrap">Hi,<br>{OWN}{end}</{tag}>')
    kept, _, ours = place.before.partition("white-space:normal")
    assert "\n" not in kept
    assert ours
    assert not place.after.endswith("\n")


def test_japanese_fonts_are_copied_in_the_charset_of_the_letter() -> None:
    """A font with a Japanese name is read from the bytes of the letter, not from masked ones."""
    words = "誠に残念ながら、今回は採用を見送らせていただきます。"
    body = f"<p style=\"font-family:'游明朝'\">{words}</p><p>株式会社あおぞら</p>"
    for charset in (UTF_8, JIS, PartCharset("cp932", "cp932")):
        assert 'font-family:&#x27;游明朝&#x27;"' in html_place(body, charset).before


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
    "|<textarea>|<font face=x>|</font>|<p class=x style='color:red;font:9px x'>"
    "|<div id=appendonsend>"
    "|<a class=btn>|<div style='white-space:pre;margin:0 1px'>|<br>|&nbsp;|here:"
)


@settings(max_examples=400, deadline=None)
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
    one_by_one = [charset.decode(line.rstrip(b"\r")) for line in body.split(b"\n")]
    if body.endswith(b"\n") or not body:
        one_by_one.pop()
    assert PlainSurface(body, charset).lines == one_by_one
