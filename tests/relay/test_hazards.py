"""What could keep the note from being seen is noticed, and what could not is let be."""

from __future__ import annotations

import pytest

from relay.company import Company
from relay.inject import Mark, NotInjected, inject
from relay.mimemap import map_message
from relay.note import load_templates

LINK = "https://r.example.jp/" + "k" * 43
COMPANY = Company("a", "Aozora", (), contact="hr@aozora.example.jp")
NOTES = load_templates().notes(COMPANY, "en", LINK)
LETTER = "<p class=t>We have decided not to take your application further.</p>"
OUTLOOK = (
    "<!--[if mso]><div>We have decided not to take your application further, sorry.</div>"
    "<![endif]-->"
)

HIDING = [
    "<style>a{display:none}</style>" + LETTER,
    "<Style>a{display:none}</Style>" + LETTER,
    "<style>a:not(.b){visibility:hidden}</style>" + LETTER,
    "<style>*{font-size:0} p{font-size:14px}</style>" + LETTER,
    "<style>p{margin:0} td div , h1{display : none}</style>" + LETTER,
    "<style>@media (max-width:600px){p:last-child{display:none!important}}</style>" + LETTER,
    '<style>div[style*="margin:1em"]{display:none}</style>' + LETTER,
    "<style>.t{height:24px;overflow:hidden}</style>" + LETTER,
    "<style>.box{max-height:150px;overflow:hidden}</style><div class='a box'>" + LETTER + "</div>",
    "<div style='height:150px;overflow:hidden'>" + LETTER + "</div>",
    "<style>.t{-webkit-line-clamp:3;overflow:hidden}</style>" + LETTER,
    "<!--[if !mso]><!--><div>" + LETTER + "</div><!--<![endif]-->" + OUTLOOK,
]
HARMLESS = [
    "<style>.preheader{display:none;max-height:0;overflow:hidden}</style>" + LETTER,
    "<style>*[class=hide]{display:none!important} td.hide{display:none}</style>" + LETTER,
    "<style>img{display:none} a:hover{opacity:0} p::before{visibility:hidden}</style>" + LETTER,
    "<style>a{opacity:0.8} p{font-size:0.9em} .logo{height:40px;overflow:hidden}</style>" + LETTER,
    "<style>/* a{display:none} */ body{height:100%;overflow:hidden}</style>" + LETTER,
    "<!--[if mso]><style>p{font-family:Arial}</style><table><tr><td><![endif]-->" + LETTER,
    "<!--[if mso]><v:roundrect><center>My page</center></v:roundrect><![endif]-->" + LETTER,
    "<div style='overflow:hidden;max-width:600px'>" + LETTER + "</div>",
]


def message(body: str) -> bytes:
    """Return a letter in HTML."""
    head = "From: hr@aozora.example.jp\r\nContent-Type: text/html; charset=utf-8\r\n"
    return f"{head}Content-Transfer-Encoding: 8bit\r\n\r\n<html><body>{body}</body></html>".encode()


@pytest.mark.parametrize("body", HIDING)
def test_a_letter_that_may_hide_the_note_passes(body: str) -> None:
    """A line that only some readers see is worse than none."""
    with pytest.raises(NotInjected, match="structure_unsupported"):
        inject(map_message(message(body)), NOTES, Mark("a" * 16, "m" * 26))


@pytest.mark.parametrize("body", HARMLESS)
def test_what_hides_nothing_of_ours_is_let_be(body: str) -> None:
    """Preheaders, pictures, and what holds while a pointer is on it."""
    changed = inject(map_message(message(body)), NOTES, Mark("a" * 16, "m" * 26)).message
    assert LINK.encode() in changed
