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


def test_quotes_are_left_out() -> None:
    """Blockquotes, Gmail's quote and all behind Outlook's divider belong to somebody else."""
    assert visible_text("<p>a</p><blockquote>b</blockquote>") == "a"
    assert visible_text('<p>a</p><div class="gmail_quote">On … wrote: <p>b</p></div>') == "a"
    assert visible_text('<p>a</p><div id="divRplyFwdMsg">From: b</div><p>c</p>') == "a"
    outlook = '<div style="border:none;border-top:solid #E1E1E1 1.0pt">From: b</div>'
    assert visible_text(f"<p>a</p>{outlook}<p>c</p>") == "a"


@pytest.mark.parametrize(
    "html",
    ["<div>" * 100_000 + "x", "<div>" * 20_000 + "</div>" * 20_000, "<b><i><p>" * 20_000,
     "<table><tr><td><p><b" * 20_000, "<table><tr><td><p><b>" * 9_000, "<" * 1_000_000, ""],
    ids=["open", "closed", "inline", "broken", "tables", "brackets", "empty"],
)  # fmt: skip
def test_deep_and_broken_html_does_not_harm(html: str) -> None:
    """Nesting without end and unclosed tags take bounded time and raise nothing."""
    started = time.perf_counter()
    visible_text(html)
    assert time.perf_counter() - started < 2.0


def test_a_long_flat_letter_is_read_whole() -> None:
    """Many elements side by side are no depth."""
    assert visible_text("<p>a<br>b</p><div><span>c</span></div>" * 1_000).count("c") == 1_000
