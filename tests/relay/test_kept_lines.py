"""Letters typed in a form, whose style sheet keeps the ends of their lines."""

from __future__ import annotations

import pytest

from relay.placement import NoPlace
from tests.relay.test_placement import BYE, OWN, html_place, html_with_note

TYPED = f"Dear Ms Doe,\n\n{OWN}\n{BYE}"
KEEPS = "<style>.m{white-space:pre-wrap}</style>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"<div class=m>{TYPED}</div><p>-- </p>", f"<div class=m>{TYPED}[NOTE]</div><p>-- </p>"),
        (f"<p class=m>{TYPED}</p><p>-- </p>", f"<p class=m>{TYPED}</p>[NOTE]<p>-- </p>"),
        (
            f"<div class=m>{TYPED}<br><br>-- <br>A</div>",
            f"<div class=m>{TYPED}<br>[NOTE]<br>-- <br>A</div>",
        ),
    ],
)
def test_lines_that_a_style_sheet_keeps_are_lines(body: str, expected: str) -> None:
    """What was typed in a form is read line by line, whether its style or a sheet keeps them."""
    assert html_with_note(KEEPS + body) == KEEPS + expected


@pytest.mark.parametrize(
    "rest", ["\n\n-- \nA Smith", "\n\n━━━━━━\n株式会社あおぞら\nTEL 03-0000-0000"]
)
def test_no_place_between_the_lines_of_one_text(rest: str) -> None:
    """Letter and signature are one text: the note would stand below the signature."""
    with pytest.raises(NoPlace):
        html_with_note(f"{KEEPS}<div class=m>{TYPED}{rest}</div>")


def test_line_ends_of_the_note_are_not_seen_where_a_class_keeps_them() -> None:
    """A paragraph of the letter's class would keep those of ours."""
    place = html_place(f"{KEEPS}<p class=m>{TYPED}</p><p>-- </p>")
    assert '<p class="m" style="white-space:normal">' in place.before
