"""The note: our own templates are good, bad ones stop the start, and the words fit the charset."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.note import Note, NoteTemplates, TemplateError, builtin_folder, load_templates, render
from relay.notelint import lint, lint_html, visible_words
from relay.policy import Company

LINK = "https://r.example.jp/" + "k" * 43
COMPANY = Company(
    id="aozora",
    name="株式会社あおぞら & 友",
    domains=("aozora.example.jp",),
    contact="recruit@aozora.example.jp",
)
GOOD = (
    "【PR】よろしければキャリア支援をご利用ください。\n"
    f"{LINK}\n"
    "Career Relayは有料職業紹介サービスで、弊社は採用費用の優遇を受けます。\n"
    "お問い合わせ：recruit@aozora.example.jp"
)
GOOD_HTML = GOOD.replace("\n", "<br>\n").replace(LINK, f'<a href="{LINK}">ご案内</a>')


@pytest.mark.parametrize("language", ["ja", "en", "ko"])
def test_our_templates_hold_what_a_note_must_have(language: str) -> None:
    """Each wording carries the link once and passes the lint, as text and as HTML."""
    for note in load_templates().notes(COMPANY, language, LINK).wordings:
        assert (lint(note.text), lint_html(note.html)) == ([], [])
        assert note.text.count(LINK) == note.html.count(LINK) == 1
        assert LINK in note.text.split("\n")
        assert COMPANY.contact in note.text


@pytest.mark.parametrize("link", [LINK, LINK[:-1] + "z", "https://r.example.jp/?a=1&b=" + "k" * 43])
def test_each_letter_has_its_own_link(link: str) -> None:
    """Words that were rendered for another letter carry this one's link, escaped in HTML."""
    templates = load_templates()
    render(COMPANY, "en", LINK, templates)
    note = render(COMPANY, "en", link, templates)
    assert note.text.split("\n")[2] == link
    assert f'<a href="{link.replace("&", "&amp;")}">' in note.html


def with_text(folder: Path, link: str) -> NoteTemplates:
    """Return templates of a site whose text writes the link in this way."""
    (folder / "ja").mkdir()
    (folder / "ja" / "aozora.txt.j2").write_text(GOOD.replace(LINK, link))
    (folder / "ja" / "aozora.html.j2").write_text(GOOD_HTML.replace(LINK, "{{ link }}"))
    return load_templates(folder)


def test_link_that_a_template_changes_is_rendered_each_time(tmp_path: Path) -> None:
    """Only a link that stands as it is can be put into words rendered before."""
    templates = with_text(tmp_path, "{{ link|replace('https:', 'http:') }}")
    assert render(COMPANY, "ja", LINK, templates).text == GOOD.replace("https:", "http:")


def test_a_template_may_show_more_of_the_link_than_the_link(tmp_path: Path) -> None:
    """A piece of the link beside it is that of this letter, not of the one rendered before."""
    templates = with_text(tmp_path, "{{ link }}\n({{ link[-3:] }})")
    assert "(aaa)" in templates.render("ja/aozora.txt.j2", COMPANY, LINK[:-3] + "aaa")
    assert "(xyz)" in templates.render("ja/aozora.txt.j2", COMPANY, LINK[:-3] + "xyz")


def test_japanese_note_fits_every_japanese_charset() -> None:
    """The full Japanese wording has no character that ISO-2022-JP or Shift_JIS lack."""
    note = render(COMPANY, "ja", LINK, load_templates())
    for codec in ("iso2022_jp", "shift_jis", "cp932", "euc_jp"):
        assert note.text.encode(codec)
    assert note.text.startswith("【PR】")


def test_last_wording_is_ascii() -> None:
    """A part without Japanese letters gets plain ASCII words."""
    for language in ("ja", "en"):
        last = load_templates().notes(COMPANY, language, LINK).wordings[-1]
        assert last.text.isascii()
        assert last.text.startswith("[PR]")


def test_text_lines_are_short() -> None:
    """No line of the text is wider than 76 columns, so no mail software wraps it."""
    for language in ("ja", "en"):
        text = render(COMPANY, language, LINK, load_templates()).text
        widths = [sum(1 + (letter > "\u2000") for letter in line) for line in text.split("\n")]
        assert max(widths) <= 76


def test_company_words_come_first(tmp_path: Path) -> None:
    """A company's own template is used for it, with its name escaped in HTML, and ours after it."""
    (tmp_path / "ja").mkdir()
    (tmp_path / "ja" / "aozora.txt.j2").write_text(
        GOOD.replace("弊社", "{{ company }}（弊社）").replace(LINK, "{{ link }}")
    )
    (tmp_path / "ja" / "aozora.html.j2").write_text(
        GOOD_HTML.replace("弊社", "{{ company }}（弊社）").replace(LINK, "{{ link }}")
    )
    notes = load_templates(tmp_path).notes(COMPANY, "ja", LINK)
    assert len(notes.wordings) == 3
    assert "株式会社あおぞら & 友（弊社）" in notes.wordings[0].text
    assert "株式会社あおぞら &amp; 友（弊社）" in notes.wordings[0].html
    other = Company(id="other", name="x", domains=(), contact="a@example.jp")
    assert "友" not in load_templates(tmp_path).notes(other, "ja", LINK).wordings[0].text


def test_company_without_contact_has_no_note() -> None:
    """A note must name whom to ask."""
    with pytest.raises(TemplateError, match="has no contact"):
        render(Company(id="x", name="x", domains=()), "ja", LINK, load_templates())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD.replace("【PR】", ""), "label"),
        (GOOD.replace("弊社は採用費用の優遇を受けます", ""), "statement of interest"),
        (GOOD.replace("有料職業紹介サービス", "サービス"), "statement of interest"),
        (GOOD.replace("recruit@aozora.example.jp", "人事部"), "contact"),
        (GOOD + "\nhttps://other.example/", "one link is wanted, 2 found"),
        (GOOD.replace(LINK, ""), "one link is wanted, 0 found"),
        (GOOD.replace(LINK, f"こちら {LINK}"), "not alone"),
        (GOOD.replace("ご利用ください", "ご利用ください。お祝い金を進呈"), "gift word: 祝い金"),
        (GOOD + "\nGet a Gift card", "gift word: Gift"),
        (GOOD + "\nWin a bonus", "gift word: Win"),
        (GOOD + "あ" * 400, "characters, at most 400"),
        (GOOD + "\n" + "あ" * 121, "longer than 120"),
        (GOOD + "\n> x", "white space"),
        (GOOD + "\n-- ", "white space"),
        (GOOD.replace("\n", "\n\n"), "empty line"),
        ("", "label"),
    ],
)
def test_lint_refuses(text: str, problem: str) -> None:
    """Each thing that a note must have or must not say is checked."""
    assert any(problem in found for found in lint(text))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("<br>", "<br><img src=x>"), "markup"),
        (("<br>", '<br><span style="display:none">x</span>'), "markup"),
        (("<br>", "<br><script>x</script>"), "markup"),
        ((">ご案内</a>", ">ご案内</a> こちら"), "not alone"),
        (("<a ", "<a class=x "), "not one"),
        (("よろしければ", "よろしければ" * 30), "too long"),
    ],
)
def test_html_lint_refuses(change: tuple[str, str], problem: str) -> None:
    """Only plain inline markup with one visible link is allowed."""
    assert lint_html(GOOD_HTML) == []
    assert any(problem in found for found in lint_html(GOOD_HTML.replace(*change)))


def test_visible_words_are_those_a_candidate_sees() -> None:
    """Tags and entities are resolved; the link counts with its address."""
    html = f'【PR】A &amp; B<br>\n<a href="{LINK}">see</a><br><span style="x">C</span>'
    assert visible_words(html) == f"【PR】A & B\n{LINK}\nC"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ja/note.txt.j2", "こんにちは", "label"),
        ("ja/note.txt.j2", "{{ unknown }}", "unknown"),
        ("ja/note.txt.j2", "{% if %}", "Expected an expression"),
        ("ja/aozora.txt.j2", GOOD.replace(LINK, "{{ link }}"), "twin"),
        ("en/ascii.txt.j2", GOOD.replace(LINK, "{{ link }}"), "ASCII"),
    ],
)
def test_bad_template_stops_the_start(
    tmp_path: Path, name: str, content: str, problem: str
) -> None:
    """Loading names the file and what is wrong with it."""
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(TemplateError, match=problem) as caught:
        load_templates(tmp_path)
    assert caught.value.file.startswith(name.split(".")[0])


def test_template_that_is_not_utf_8_stops_the_start(tmp_path: Path) -> None:
    """A file saved as Shift_JIS is named, not guessed at."""
    (tmp_path / "ja").mkdir()
    (tmp_path / "ja" / "note.txt.j2").write_bytes(GOOD.encode("cp932"))
    with pytest.raises(TemplateError, match="not UTF-8"):
        load_templates(tmp_path)


def test_templates_are_found_in_the_checkout() -> None:
    """The folder beside the package holds both languages."""
    assert {"ja", "en"} <= {path.name for path in builtin_folder().iterdir()}


def test_note_is_a_value() -> None:
    """Two renderings of one letter are equal."""
    first, second = (render(COMPANY, "ja", LINK, load_templates()) for _ in range(2))
    assert isinstance(first, Note)
    assert first == second
