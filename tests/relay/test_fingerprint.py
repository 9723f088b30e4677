"""A template is known again whoever it is written to, and no longer when it says something else."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.entries import Lexicons
from relay.envelope import Envelope
from relay.fingerprint import Fingerprint, fingerprint_of, shape_of
from relay.letter import read_letter, read_names
from relay.mimemap import map_message
from relay.verdict import judge
from tests.lexicons import installed_lexicons
from tests.relay.templates import (
    DATES,
    NAMES,
    POSITIONS,
    STAFF,
    TEMPLATES,
    filled,
    mail,
    wrapped,
)

ENVELOPE = Envelope("recruit@aozora.example.jp", ("reader@mail.example.com",))
SIGNATURES = (
    "",
    "\n-- \nAozora\nTEL 03-0000-0000\n",
    "\n────────────\nあおぞら 人事部\nTEL 03-0000-0000\n",
)


@cache
def lexicons() -> Lexicons:
    """Return the lexicons, read once."""
    return installed_lexicons()


def read(message: bytes) -> Fingerprint:
    """Return the fingerprint of a mail, read as the relay does."""
    message_map = map_message(message)
    letter = read_letter(message_map, ENVELOPE)
    verdict = judge(letter, lexicons())
    return fingerprint_of(letter.subject, letter.text, verdict, read_names(message_map))


def first_choice(name: str) -> dict[str, str]:
    """Return what stands in the letter that is approved."""
    is_japanese = TEMPLATES[name].is_japanese
    return {
        "name": NAMES[is_japanese][0],
        "staff": STAFF[0],
        "position": POSITIONS[is_japanese][0],
        "date": DATES[is_japanese][0],
    }


@cache
def approved(name: str) -> Fingerprint:
    """Return the fingerprint of the approved letter of a template."""
    choice = first_choice(name)
    template = TEMPLATES[name]
    text = filled(template, choice)
    return read(mail(template.subject, text, name=choice["name"], staff=choice["staff"]))


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_another_letter_of_the_template_is_known(name: str, data: st.DataObject) -> None:
    """Names, positions, dates, wrapping, width, form and signature make no difference."""
    template = TEMPLATES[name]
    is_japanese = template.is_japanese
    choice = {
        "name": data.draw(st.sampled_from(NAMES[is_japanese]), "name"),
        "staff": data.draw(st.sampled_from(STAFF), "staff"),
        "position": data.draw(st.sampled_from(POSITIONS[is_japanese]), "position"),
        "date": data.draw(st.sampled_from(DATES[is_japanese]), "date"),
    }
    head, _, body = filled(template, choice).partition("\n\n")
    if data.draw(st.booleans(), "composed"):
        body = unicodedata.normalize("NFKC", body)
    width = data.draw(st.sampled_from((0, 24, 35, 60)), "width")
    if width:
        body = wrapped(body, width, inside_words=is_japanese)
    text = f"{head}\n\n{body}{data.draw(st.sampled_from(SIGNATURES), 'signature')}"
    as_html = data.draw(st.booleans(), "html")
    message = mail(
        template.subject, text, name=choice["name"], staff=choice["staff"], as_html=as_html
    )
    found = read(message)
    assert found.matches(approved(name))
    # Letters in which the words find nothing are not counted, and have a shape of their own.
    if found.deciding == approved(name).deciding:
        assert found.shape == approved(name).shape


@pytest.mark.parametrize(
    ("name", "what", "by"),
    [(name, *edit) for name, template in TEMPLATES.items() for edit in template.edits],
)
def test_another_meaning_is_another_letter(name: str, what: str, by: str) -> None:
    """A decision that is turned round, denied or made a condition, or an invitation beside it."""
    template, choice = TEMPLATES[name], first_choice(name)
    text = filled(template, choice)
    assert what in text
    edited = read(
        mail(template.subject, text.replace(what, by), name=choice["name"], staff=choice["staff"])
    )
    assert not edited.matches(approved(name))
    assert edited.shape != approved(name).shape


@pytest.mark.parametrize("name", TEMPLATES)
def test_one_sentence_less_is_another_letter(name: str) -> None:
    """All that the approved letter says has to be there."""
    template, choice = TEMPLATES[name], first_choice(name)
    text = filled(template, choice).rstrip()
    end = max(text[:-1].rfind(mark) for mark in ("。", ". "))
    shorter = read(
        mail(template.subject, text[: end + 1], name=choice["name"], staff=choice["staff"])
    )
    assert not shorter.matches(approved(name))


def test_no_two_templates_are_one() -> None:
    """Each is a letter of its own."""
    for one, other in combinations(TEMPLATES, 2):
        assert not approved(one).matches(approved(other))
        assert approved(one).shape != approved(other).shape


def test_a_subject_that_decides_counts() -> None:
    """Where the subject says it, another subject makes another letter."""
    text = "Dear Ann,\n\nThank you for your application. Please see above.\n"
    refused = read(mail("Application: not selected", text, name="Ann", staff="Jo"))
    invited = read(mail("Application: selected", text, name="Ann", staff="Jo"))
    assert not invited.matches(refused)


def test_a_department_in_a_sentence_that_decides_nothing() -> None:
    """A noun that no mask knows is tolerated there, and a verb that denies is not."""
    template, choice = TEMPLATES["ja-document"], first_choice("ja-document")
    text = filled(template, choice)

    def with_words(what: str, by: str) -> Fingerprint:
        assert what in text
        new = text.replace(what, by)
        return read(mail(template.subject, new, name=choice["name"], staff=choice["staff"]))

    assert with_words("先日は弊社", "先日は大阪支店").matches(approved("ja-document"))
    assert not with_words("ご応募くださり", "ご応募くださらず").matches(approved("ja-document"))


def test_nothing_but_hashes_is_kept() -> None:
    """What a fingerprint holds is hexadecimal digits."""
    found = approved("en-application")
    for kept in (found.shape, found.outline, found.subject, *found.sentences):
        assert int(kept, 16) >= 0


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400), st.text(max_size=80), st.lists(st.text(max_size=10), max_size=3))
def test_any_text_has_a_shape(text: str, subject: str, names: list[str]) -> None:
    """Whatever a mail holds, nothing is raised and the shape is that of twelve digits."""
    verdict = judge(read_letter(map_message(b"\r\n"), ENVELOPE), lexicons())
    shape = shape_of(subject, text, verdict, names)
    assert len(shape) == 12
    assert int(shape, 16) >= 0
