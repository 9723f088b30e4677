"""The writer's own words in the HTML of the common mail programs: bytes in, text out."""

from __future__ import annotations

import pytest

from relay.letter import read_words
from relay.mimemap import map_message

OWN = "We have chosen another candidate for the role."
OWN_JA = "今回は採用を見送らせていただきます。"
OLD = "Here old words stand that another person wrote."


def own_words(html: str, charset: str = "utf-8") -> list[str]:
    """Return the lines that are read of an HTML message."""
    head = f"Subject: x\r\nContent-Type: text/html; charset={charset}\r\n\r\n".encode()
    text = read_words(map_message(head + html.encode(charset))).text
    return [line for line in text.split("\n") if line.strip()]


GMAIL_ATTRIBUTION = (
    '<div dir="ltr" class="gmail_attr">On Mon, 3 Nov 2025 at 10:12, A &lt;<a href="mailto:a@'
    'mail.example.com">a@mail.example.com</a>&gt; wrote:<br></div>'
)
GMAIL_QUOTE = f'<blockquote class="gmail_quote" style="margin:0"><div>{OLD}</div></blockquote>'
OUTLOOK_HEADER = (
    "<p class=MsoNormal><b>From:</b> A<br><b>Sent:</b> Monday<br><b>To:</b> B<br>"
    "<b>Subject:</b> C<o:p></o:p></p>"
)

REPLIES = {
    "outlook-word": f'<div class="WordSection1"><p class="MsoNormal">{OWN}<o:p></o:p></p><div>'
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in">'
    f"{OUTLOOK_HEADER}</div></div><p class=MsoNormal>{OLD}</p></div>",
    "outlook-word-rewritten": f"<div>{OWN}</div><div style='border:none; border-top:solid "
    f"rgb(225, 225, 225) 1.0pt'>{OUTLOOK_HEADER}</div><p>{OLD}</p>",
    "outlook-word-blue-line": f"<p>{OWN}</p><div style='border:none;border-left:solid blue 1.5pt;"
    f"padding:0in 0in 0in 4.0pt'><div><p>{OUTLOOK_HEADER}</p></div><p>{OLD}</p></div>",
    "outlook-web": f'<div>{OWN}</div><div id="appendonsend"></div><hr style="width:98%">'
    f'<div id="divRplyFwdMsg" dir="ltr"><font><b>From:</b> A</font></div><div>{OLD}</div>',
    "outlook-web-again": f'<div>{OWN}</div><div id="x_divRplyFwdMsg">From: A</div><p>{OLD}</p>',
    "outlook-mac": f'<div>{OWN}</div><span id="OLK_SRC_BODY_SECTION"><div><b>From:</b> A</div>'
    f"<div>{OLD}</div></span>",
    "outlook-mobile": f'<div>{OWN}</div><div class="ms-outlook-mobile-signature">Get Outlook for '
    f'iOS</div><div id="mail-editor-reference-message-container"><p>{OLD}</p></div>',
    "outlook-header-only": f"<p>{OWN}</p><hr>{OUTLOOK_HEADER}<p>{OLD}</p>",
    "outlook-header-cells": f"<p>{OWN}</p><table><tr><td>From:</td><td>A</td></tr><tr><td>Sent:"
    f"</td><td>x</td></tr><tr><td>To:</td><td>B</td></tr></table><p>{OLD}</p>",
    "gmail": f'<div dir="ltr">{OWN}<br></div><br><div class="gmail_quote gmail_quote_container">'
    f"{GMAIL_ATTRIBUTION}{GMAIL_QUOTE}</div>",
    "gmail-below": f'<div class="gmail_quote">{GMAIL_ATTRIBUTION}{GMAIL_QUOTE}</div><p>{OWN}</p>',
    "gmail-between": f'<div class="gmail_quote">{GMAIL_ATTRIBUTION}{GMAIL_QUOTE}<div>{OWN}</div>'
    f"{GMAIL_QUOTE}</div>",
    "gmail-forward": f'<div dir="ltr">{OWN}<br><br><div class="gmail_quote"><div class="gmail_attr'
    f'">---------- Forwarded message ---------<br>From: A<br></div><br><p>{OLD}</p></div></div>',
    "gmail-forward-of-a-reply": f'<div>{OWN}</div><div class="gmail_quote"><div class="gmail_attr">'
    f"---------- 転送されたメッセージ ---------<br></div><br><div>{OLD}</div>{GMAIL_QUOTE}</div>",
    "gmail-pasted": f'<p>{OWN}</p><div style="margin:0 0 0 .8ex;border-left:1px #ccc solid;'
    f'padding-left:1ex"><p>{OLD}</p></div>',
    "apple": f'<div>{OWN}</div><div><br><blockquote type="cite"><div>On 3 Nov 2025, at 10:12, A '
    f"&lt;a@mail.example.com&gt; wrote:</div><br><div>{OLD}</div></blockquote></div>",
    "apple-forward": f"<div>{OWN}</div><div><br><div>Begin forwarded message:</div><br>"
    f'<blockquote type="cite"><div>From: A</div><p>{OLD}</p></blockquote></div>',
    "thunderbird": f'<p>{OWN}</p><div class="moz-cite-prefix">On 03.11.25 10:12, X wrote:<br></div>'
    f'<blockquote type="cite" cite="mid:x"><p>{OLD}</p></blockquote>',
    "thunderbird-below": '<div class="moz-cite-prefix">Am 03.11.25 um 10:12 schrieb X:</div>'
    f'<blockquote type="cite"><p>{OLD}</p></blockquote><p>{OWN}</p>'
    '<div class="moz-signature">-- <br>Anna</div>',
    "thunderbird-forward": f'<p>{OWN}</p><div class="moz-forward-container">-------- Forwarded '
    f"Message --------<table><tr><th>Subject: </th><td>x</td></tr></table><p>{OLD}</p></div>",
    "yahoo": f'<div class="ydp1yahoo-style-wrap">{OWN}</div><div id="ydp2yahoo_quoted_1" class="'
    f'ydp3yahoo_quoted"><div>On Monday, A wrote:</div><div>{OLD}</div></div>',
    "yahoo-japan": f"<div>{OWN}</div><div>----- Original Message -----</div><blockquote style="
    f'"border-left:2px solid rgb(16, 16, 255)"><div>{OLD}</div></blockquote>',
    "proton": f'<div>{OWN}</div><div class="protonmail_quote">On x, A wrote:<p>{OLD}</p></div>',
    "zoho": f'<div>{OWN}</div><div class="zmail_extra">On x, A wrote:<p>{OLD}</p></div>',
    "bare-blockquote": f"<p>{OWN}</p><p>On Mon, A wrote:</p><blockquote>{OLD}</blockquote>",
    "answer-below-a-blockquote": f"<p>On Mon, 3 Nov 2025, A wrote:</p><blockquote>{OLD}"
    f"</blockquote><p>{OWN}</p>",
    "answer-below-a-blockquote-ja": "<p>2025年11月3日(月) 10:12 青木 &lt;a@example.jp&gt;:</p>"
    f"<blockquote>{OLD}</blockquote><p>{OWN}</p>",
}


@pytest.mark.parametrize("html", REPLIES.values(), ids=REPLIES.keys())
def test_quoted_words_are_not_the_writers(html: str) -> None:
    """However a program marks what it quotes, only the words around it are read."""
    assert own_words(f"<html><body>{html}</body></html>") == [OWN]


PREHEADER = (
    '<div style="display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;'
    'opacity:0;overflow:hidden;mso-hide:all">An invitation for you &zwnj;&nbsp;&zwnj;&nbsp;</div>'
)
LETTERS = {
    "word": "<html xmlns:v='urn:schemas-microsoft-com:vml'><head><!--[if !mso]><style>v\\:* "
    "{behavior:url(#default#VML);}</style><![endif]--><!--[if gte mso 9]><xml><o:shapedefaults "
    "v:ext='edit'/></xml><![endif]--><style><!-- p.MsoNormal {margin:0mm} --></style></head><body>"
    "<p class=MsoNormal>青木様<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p>"
    "<p class=MsoNormal>今回は<span lang=EN-US>採</span>用を<b>見送</b>ら\r\nせていただきます。"
    "<!--[if gte vml 1]><v:shape><v:textbox>招待</v:textbox></v:shape><![endif]--></p>",
    "mso-only": f"<p>青木様</p><!--[if mso]><table><tr><td>招待</td></tr></table><![endif]-->"
    f"<!--[if !mso]><!--><p>{OWN_JA}</p><!--<![endif]-->",
    "ats-table": f"<body>{PREHEADER}<table width='100%'><tr><td align='center'><table width='600'>"
    f"<tr><td>青木様</td></tr><tr><td style='padding:20px'>{OWN_JA}</td></tr>"
    "</table></td></tr></table>",
    "mjml": f"<div style='display:none'>招待</div><table><tr><td style='font-size:0px'><div style="
    f"'font-size:13px'>青木様</div></td></tr><tr><td style='font-size:0px'><p style='font-size:"
    f"13px'>{OWN_JA}</p></td></tr></table>",
    "padding": "<p>青木様</p><div>&zwnj;&nbsp;&#847;&zwnj;&nbsp;&#8199;&#65279;&shy;</div>"
    "<p>今回は採用を見&#8203;送らせ&#8288;ていただきます。</p>",
    "head-and-images": f"<head><title>招待</title></head><p>青木様</p><img alt='招待' src='x'>"
    f"<p title='招待'>{OWN_JA}</p>",
    "indented": f"<p>青木様</p><blockquote style='margin:0 0 0 40px;border:none;padding:0px'>"
    f"{OWN_JA}</blockquote>",
    "broken": f"<p>青木様<div style='display:none'>招待</div><p>{OWN_JA}",
}


@pytest.mark.parametrize("charset", ["utf-8", "shift_jis", "iso-2022-jp", "euc-jp"])
@pytest.mark.parametrize("html", LETTERS.values(), ids=LETTERS.keys())
def test_a_letter_is_read_as_it_is_seen(html: str, charset: str) -> None:
    """Markup for other programs, hidden texts and padding are not read, in any charset."""
    assert own_words(html, charset) == ["青木様", OWN_JA]
