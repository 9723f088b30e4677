"""HTML letters as a person sees them."""

from __future__ import annotations

import time

import pytest

from relay.visible import visible_text


def test_blocks_cells_and_breaks_become_lines() -> None:
    """Paragraphs, table cells and br separate lines; inline elements do not."""
    html = "<p>青木&nbsp;様</p><table><tr><td>結果</td><td>不採用</td></tr></table>a<br>b<b>c</b>"
    lines = [line for line in visible_text(html).split("\n") if line]
    assert lines == ["青木 様", "結果", "不採用", "a", "bc"]


def test_what_is_hidden_is_left_out() -> None:
    """Head, style, script, comments, preheaders and styled-away text are not read."""
    html = """<html><head><title>t</title><style>p{}</style></head><body>
    <div style="display:none;max-height:0">preheader</div><!-- comment -->
    <span style="font-size:0px">zero</span><span hidden>hidden</span><script>1</script>
    <p style="VISIBILITY: hidden">gone</p><p style="mso-hide:all">gone</p>
    <p>seen</p></body></html>"""
    assert visible_text(html).split() == ["seen"]


def test_a_visible_small_font_is_read() -> None:
    """A style that only looks like hiding does not hide."""
    assert visible_text('<p style="font-size:0.9em;opacity:0.8">seen</p>') == "seen"


def test_quotes_become_a_mark() -> None:
    """Blockquotes and Gmail's quote belong to somebody else; behind Outlook's divider all does."""
    assert visible_text("<p>a</p><blockquote>b</blockquote>").split() == ["a", ">"]
    gmail = '<div class="gmail_quote">On … wrote: <p>b</p></div>'
    assert visible_text(f"<p>a</p>{gmail}<p>c</p>").split() == ["a", ">", "c"]
    assert visible_text('<p>a</p><div id="divRplyFwdMsg">From: b</div><p>c</p>') == "a"
    outlook = '<div style="border:none;border-top:solid #E1E1E1 1.0pt">From: b</div>'
    assert visible_text(f"<p>a</p>{outlook}<p>c</p>") == "a"


@pytest.mark.parametrize(
    "style",
    [
        *("display:none", "DISPLAY: none !important", "mso-hide:all", "max-height:0px"),
        *("font-size:0", "font-size:1px;line-height:1px", "font:0/0 a", "opacity:0.0"),
        *("color:transparent", "color:#fff", "color:rgb(255, 255, 255)", "color:rgba(0,0,0,0)"),
        *("color:#fefefe;background-color:#FFF", "color:#123;background:#123", "color:WHITE"),
        *("height:0;overflow:hidden", "width:1px;height:1px;overflow:hidden", "text-indent:-999px"),
        *("position:absolute;left:-9999px", "visibility:hidden", "text-indent:-9999em"),
    ],
)
def test_a_preheader_is_not_read(style: str) -> None:
    """Each of the ways in which mail hides a text from its reader hides it from us."""
    assert visible_text(f'<div style="{style}">pre <b>header</b></div><p>seen</p>') == "seen"


@pytest.mark.parametrize(
    "html",
    [
        # MJML sets every cell to 0 and the text in it to a size of its own.
        '<td style="font-size:0px;padding:10px"><div style="font-size:13px">seen</div></td>',
        '<div style="background:#224466;color:#ffffff">seen</div>',
        '<table bgcolor="#224466"><tr><td><font color="white">seen</font></td></tr></table>',
        '<table background="sea.png"><tr><td style="color:#fff">seen</td></tr></table>',
        '<div style="background:#fff url(sea.png)"><span style="color:#fff">seen</span></div>',
        '<style>.bar{background:#224466}</style><a class="bar" style="color:#fff">seen</a>',
        '<div style="max-height:0.5em;opacity:.9;font-size:80%">seen</div>',
        '<div style="font:400 14px/1.5 Arial;text-indent:-1em">seen</div>',
        '<div style="overflow:hidden;height:100px;position:absolute;left:-5px">seen</div>',
        "<style>@media (max-width:600px){.a{display:none}} .b .a,.c{display:none}</style>"
        '<p class="a">seen</p>',
        "<style>.a{display:none} .a{display:block} .b{display:none}</style>"
        '<p class="a">seen<i class="b" style="display:inline"></i></p>',
    ],
)
def test_what_can_be_seen_is_read(html: str) -> None:
    """Sizes and colours are inherited, and in doubt a text is seen."""
    assert visible_text(html) == "seen"


def test_what_a_style_sheet_hides_is_left_out() -> None:
    """Single selectors are known, in head or body, by class, id and tag."""
    html = """<head><style type="text/css"><!-- /* x */ .Pre, td.no { display: none !important }
    #hint{max-height:0} @import url(x); .y{visibility:hidden} --></style></head><body>
    <span class="big pre">gone</span><table><tr><td class="no">gone</td></tr></table>
    <div id="hint">gone</div><p class="no">seen</p><p class="y" style="display:block">too</p>"""
    assert visible_text(html).split() == ["seen", "too"]


def test_lines_of_the_source_are_no_lines() -> None:
    """A line end is a space, none between two wide characters, and a line end in `pre`."""
    wrapped = "<p>今回は採用を見送\r\n   らせていただき\nます。We\n chose <b>A</b>\nB.</p>"
    assert visible_text(wrapped) == "今回は採用を見送らせていただきます。We chose A B."
    assert visible_text("<p>합격\n여부</p>") == "합격 여부"
    assert visible_text("<pre>一行目\r\n二行目</pre>") == "一行目\n二行目"
    assert visible_text('<div style="white-space:pre-wrap">a\nb</div><p>c\nd</p>') == "a\nb\nc d"


def test_paragraphs_without_space_around_them_are_lines() -> None:
    """Word makes a paragraph of each line that is typed, and an empty one of an empty line."""
    word = "<p class=MsoNormal>今回は採用を見送<o:p></o:p></p><p class=MsoNormal>ります。</p>"
    blank = "<p class=MsoNormal><o:p>&nbsp;</o:p></p>"
    assert visible_text(f"{word}{blank}{word}") == "\n".join(
        ["今回は採用を見送", "ります。", "", "今回は採用を見送", "ります。"]
    )
    assert visible_text('<p style="margin:0 0 0 0">a</p><p style="margin: 0px">b</p>c') == "a\nb\nc"
    assert visible_text('<p style="margin:0.5em">a</p><p style="margin:0 0 1em">b</p>c')[1] == "\n"
    assert visible_text('<p style="margin:1em 0">a</p>b') == "a\n\nb"


def test_readings_above_the_words_are_left_out() -> None:
    """Ruby shows how kanji are read; the words are those below."""
    ruby = "<ruby>採用<rp>(</rp><rt>さいよう</rt><rp>)</rp></ruby>を<wbr>見送ります。"
    assert visible_text(ruby) == "採用を見送ります。"


@pytest.mark.parametrize(
    "html",
    ["<div>" * 100_000 + "x", "<div>" * 20_000 + "</div>" * 20_000, "<b><i><p>" * 20_000,
     "<table><tr><td><p><b" * 20_000, "<table><tr><td><p><b>" * 9_000, "<" * 1_000_000,
     "<style>" + "/*" * 200_000, "<style>" + "@media{" * 50_000, "<pre>" + "\n" * 500_000, ""],
    ids=["open", "closed", "inline", "broken", "tables", "brackets", "comments", "media",
         "lines", "empty"],
)  # fmt: skip
def test_deep_and_broken_html_does_not_harm(html: str) -> None:
    """Nesting without end and unclosed tags take bounded time and raise nothing."""
    started = time.perf_counter()
    visible_text(html)
    assert time.perf_counter() - started < 2.0


def test_a_long_flat_letter_is_read_whole() -> None:
    """Many elements side by side are no depth."""
    assert visible_text("<p>a<br>b</p><div><span>c</span></div>" * 1_000).count("c") == 1_000


@pytest.mark.parametrize(
    "rule", [".a{white-space:pre-wrap}", "DIV.A , x{white-space: pre-line}", "div{white-space:pre}"]
)
def test_line_ends_that_a_style_sheet_keeps_are_seen(rule: str) -> None:
    """What is typed in a form is one text, whose lines only its style tells apart."""
    sheet = f"<style>.a{{white-space:nowrap}} {rule}</style>"
    assert visible_text(f"{sheet}<div class='x a'>a\nb</div><p>c\nd</p>") == "a\nb\nc d"
    kept = f"{sheet}<div class=a style='white-space:normal'>a\nb</div>"
    assert visible_text(kept) == "a b"
