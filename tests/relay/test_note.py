"""The note: our own templates are good, bad ones stop the start, and the words fit the charset."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from relay.company import Company
from relay.note import NoteTemplates, TemplateError, Unrendered, builtin_folder, load_templates
from relay.notelint import lint, lint_html, visible_words

ROOT = Path(__file__).parents[2]
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


STAGES = ("document", "final")
# Words of different templates are told apart by this.
FIRST = "よろしければキャリア支援をご利用ください。"


def write(folder: Path, stem: str, text: str = GOOD, markup: str = GOOD_HTML) -> None:
    """Write a template and its twin, the link of the good ones being that of the letter."""
    (folder / stem).parent.mkdir(exist_ok=True)
    for kind, words in (("txt", text), ("html", markup)):
        path = folder / f"{stem}.{kind}.j2"
        path.write_text(words.replace(LINK, "{{ link }}"), encoding="utf-8")


def saying(words: str) -> tuple[str, str]:
    """Return good text and HTML that begin with these words."""
    return GOOD.replace(FIRST, words), GOOD_HTML.replace(FIRST, words)


def fullest(templates: NoteTemplates, language: str = "ja", stage: str = "") -> Unrendered:
    """Return the note that a letter of the company gets."""
    first = templates.notes(COMPANY, language, LINK, stage).wordings[0]
    assert isinstance(first, Unrendered)
    return first


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
    assert LINK in fullest(templates, "en").text
    note = templates.notes(COMPANY, "en", link).wordings[0]
    assert note.text.split("\n")[2] == link
    assert f'<a href="{link.replace("&", "&amp;")}"' in note.html


def test_japanese_note_fits_every_japanese_charset() -> None:
    """The full Japanese wording has no character that ISO-2022-JP or Shift_JIS lack."""
    note = fullest(load_templates())
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
        text = fullest(load_templates(), language).text
        widths = [sum(1 + (letter > "\u2000") for letter in line) for line in text.split("\n")]
        assert max(widths) <= 76


def test_the_template_that_says_most_about_a_letter_comes_first(tmp_path: Path) -> None:
    """Company and stage, then company, then stage, then the standard, then English ASCII."""
    for stem in ("aozora@final", "aozora", "note@final", "note@document", "note"):
        write(tmp_path, f"ja/{stem}", *saying(stem))
    templates = load_templates(tmp_path, [COMPANY], STAGES)
    for stage, expected in {
        "final": ["aozora@final", "aozora", "note@final", "note", "ascii"],
        "document": ["aozora", "note@document", "note", "ascii"],
        "": ["aozora", "note", "ascii"],
        "second": ["aozora", "note", "ascii"],
    }.items():
        wordings = templates.notes(COMPANY, "ja", LINK, stage).wordings
        words = [note.text.partition("\n")[0].removeprefix("【PR】") for note in wordings]
        assert words[:-1] == expected[:-1]
        assert wordings[-1].text.startswith("[PR]")
        assert all(word in note.html for word, note in zip(words, wordings, strict=True))
    other = replace(COMPANY, id="other")
    assert templates.stems(other, "ja", "final") == ("ja/note@final", "ja/note", "en/ascii")
    assert templates.stems(COMPANY, "en", "final") == ("en/note", "en/ascii")


@pytest.mark.parametrize("company_id", ["note", "ascii", "final"])
def test_a_company_may_be_called_like_anything(tmp_path: Path, company_id: str) -> None:
    """A stage stands behind @; the names of templates for all stay theirs."""
    company = replace(COMPANY, id=company_id)
    write(tmp_path, "ja/note@final", *saying("最終"))
    if company_id == "final":
        write(tmp_path, "ja/final", *saying("会社"))
    templates = load_templates(tmp_path, [company], STAGES)
    own = ("ja/final",) if company_id == "final" else ()
    ours = ("ja/note@final", "ja/note", "en/ascii")
    assert templates.stems(company, "ja", "final") == (*own, *ours)
    assert templates.stems(company, "en", "final") == ("en/note", "en/ascii")


HOSTILE = """<b>&"x'</b><script>"""


def test_values_are_escaped_in_html_and_plain_in_text(tmp_path: Path) -> None:
    """A company's name is shown as it is written, and is never markup."""
    company = replace(COMPANY, name=HOSTILE)
    write(tmp_path, "ja/aozora", *saying("{{ company }}より。"))
    note = load_templates(tmp_path, [company]).notes(company, "ja", LINK).wordings[0]
    assert note.text.startswith(f"【PR】{HOSTILE}より。\n")
    assert "&lt;b&gt;&amp;&#34;x&#39;&lt;/b&gt;&lt;script&gt;より。" in note.html
    assert visible_words(note.html).startswith(f"【PR】{HOSTILE}より。\n")
    assert lint_html(note.html) == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("> 引用", "begins like a quote"),
        ("-- 署名", "a signature"),
        ("From here", "begins like a quote"),
        ("あ\u2028い", "U+2028"),
        ("あ\x85い", "U+0085"),
        ("あ\u202eい", "U+202E"),
        ("株式会社ギフト", "gift word: ギフト"),
        ("株式会社ﾎﾟｲﾝﾄ", "gift word: ポイント"),
        ("あ" * 100, "at most 400"),
        ("https://a.example/", "2 found"),
    ],
)
def test_every_company_is_tried(tmp_path: Path, name: str, problem: str) -> None:
    """What is good with a sample may not be with a real name; company, file and cause are told."""
    write(tmp_path, "ja/note", "\n".join([GOOD + "あ" * 80, "あ" * 119, "{{ company }}より"]))
    load_templates(tmp_path, [COMPANY])
    company = replace(COMPANY, id="hostile", name=name)
    with pytest.raises(TemplateError) as caught:
        load_templates(tmp_path, [COMPANY, company])
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{tmp_path}/ja/note.txt.j2: company hostile: ") for line in lines)
    assert problem in str(caught.value)


def test_a_mistake_with_many_companies_is_told_of_a_few(tmp_path: Path) -> None:
    """Thousands of companies do not hide what is wrong."""
    write(tmp_path, "ja/note", *saying("{{ company }}より。"))
    many = [replace(COMPANY, id=f"c{number}", name="ギフト") for number in range(9)]
    with pytest.raises(TemplateError) as caught:
        load_templates(tmp_path, many)
    told = str(caught.value).splitlines()
    assert len(told) == 8  # Three and the rest, in text and HTML.
    assert told[-1].endswith("and so for 6 more companies")


def test_a_long_contact_is_told_of(tmp_path: Path) -> None:
    """Also with our own templates, which show it; an address of a gift shop is no gift."""
    load_templates(None, [replace(COMPANY, contact="present@gift.example.jp")])
    company = replace(COMPANY, contact=f"{'a' * 60}@{'a' * 60}.example.jp")
    with pytest.raises(TemplateError, match="company aozora: a line is longer than 120"):
        load_templates(None, [company])


def test_company_without_contact_has_no_note() -> None:
    """A note must name whom to ask."""
    with pytest.raises(TemplateError, match="has no contact"):
        load_templates().notes(Company(id="x", name="x", domains=()), "ja", LINK)


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
        (GOOD + "\nお祝\nい金", "gift word: 祝い金"),
        (GOOD + "\nＧＩＦＴ", "gift word: GIFT"),
        (GOOD + "\nギフト券は" + "x@gift.example.jp", "gift word: ギフト"),
        (GOOD + "\n祝\u200bい金", "U+200B"),
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


LINKED = GOOD.replace(LINK, "{{ link }}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("こんにちは", "the label"),
        ("", "the label"),
        (LINKED + "{{ unknown }}", "line 4: 'unknown' is not known here: the values are company,"),
        # In a branch that no company of today takes.
        (LINKED + '{% if company == "x" %}{{ y }}{% endif %}', "line 4: 'y' is not known here"),
        ("{% if %}", "line 1: Expected an expression"),
        (LINKED + "{{ company.name }}", "'getattr' is not offered"),
        (LINKED + "{% for a in range(10 ** 9) %}{{ a }}{% endfor %}", "'for' is not offered"),
        (LINKED + "{{ company * 10000000000 }}", "'mul' is not offered"),
        (LINKED + '{% include "ja/note.txt.j2" %}', "'include' is not offered"),
        (LINKED + "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "'macro' is not offered"),
        (LINKED + "{{ company|safe }}", "no filter 'safe' is offered: there are lower,"),
        (LINKED + "{{ company|center(1000000000) }}", "no filter 'center'"),
        (LINKED + "{{ company|replace(1) }}", "cannot be rendered"),
        (LINKED + "{{ " + "(" * 8000, "too deep"),
        (LINKED + "{{ company" + " and company" * 1200 + " }}", "too deep"),
        (LINKED + "{% if company %}" * 200 + "a" + "{% endif %}" * 200, "cannot be rendered"),
        (LINKED.replace("{{ link }}", "{{ link|lower }}"), "write {{ link }}"),
        (LINKED + "{% if link %}a{% endif %}", "write {{ link }}"),
        (LINKED + "あ" * 20_000, "larger than 16384 bytes"),
    ],
)
def test_bad_template_stops_the_start(tmp_path: Path, text: str, problem: str) -> None:
    """The file is named, with the line where there is one, and what is wrong with it."""
    write(tmp_path, "ja/note", text)
    with pytest.raises(TemplateError) as caught:
        load_templates(tmp_path, [COMPANY])
    assert str(caught.value).startswith(f"{tmp_path}/ja/note.txt.j2: ")
    assert problem in str(caught.value)


def test_conditions_filters_and_comments(tmp_path: Path) -> None:
    """They may stand on lines of their own, and the file may begin with a mark and have CRLF."""
    text = (
        "\ufeff{# Ours. #}\n【PR】{{ company|replace('株式会社', '') }}より。\n{{ link }}\n"
        "{% if company == '株式会社あおぞら & 友' %}\n(1)\n{% endif %}\n"
    )
    text += GOOD.split("\n", 2)[2]
    write(tmp_path, "ja/note", text.replace("\n", "\r\n"))
    lines = fullest(load_templates(tmp_path, [COMPANY])).text.split("\n")
    assert lines[:3] == ["【PR】あおぞら & 友より。", LINK, "(1)"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("note.txt.j2", "belongs in the folder of its language: ja, en"),
        ("jp/note.txt.j2", "'jp' is no language: there are ja, en"),
        ("ja/aozola.txt.j2", "no [[company]] has the id 'aozola': there are aozora, and note"),
        ("ja/note@finl.txt.j2", "'finl' is no stage: there are document, final"),
        ("ja/aozora@finl.txt.j2", "'finl' is no stage"),
        ("ja/final.txt.j2", "no [[company]] has the id 'final'"),
        ("ja/note-final.txt.j2", "no [[company]] has the id 'note-final'"),
        ("ja/ascii.txt.j2", "ascii is for en"),
        ("en/ascii@final.txt.j2", "and every stage"),
        ("ja/note.txt", "is not called like a template"),
        ("ja/note.text.j2", "is not called like a template"),
        ("ja/Note.txt.j2", "is not called like a template"),
        ("ja/old/note.txt.j2", "is not called like a template"),
        ("ja/aozora.txt.j2", "its twin ja/aozora.html.j2 is missing"),
        ("ja/note.html.j2", "its twin ja/note.txt.j2 is missing"),
    ],
)
def test_a_file_that_no_letter_asks_for_is_a_mistake(
    tmp_path: Path, name: str, problem: str
) -> None:
    """A slip in a name is told, with the names there are."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GOOD_HTML.replace(LINK, "{{ link }}") if "html" in name else LINKED)
    with pytest.raises(TemplateError) as caught:
        load_templates(tmp_path, [COMPANY], STAGES)
    told = str(caught.value)
    assert problem in told
    assert told.startswith(f"{tmp_path}/{name.split('/')[0]}")


def test_the_example_of_the_guide_is_good(tmp_path: Path) -> None:
    """What docs/admin/letters.md shows may be used as it is."""
    guide = (ROOT / "docs" / "admin" / "letters.md").read_text(encoding="utf-8")
    text, markup = re.findall(r"```jinja\n(.*?)```", guide, re.DOTALL)
    write(tmp_path, "ja/note", text, markup)
    assert fullest(load_templates(tmp_path, [COMPANY])).text.count(LINK) == 1


def test_copies_of_an_editor_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    """They are nobody's slip."""
    write(tmp_path, "ja/note")
    for name in (".gitignore", "ja/.note.txt.j2.swp", "ja/note.txt.j2~"):
        (tmp_path / name).write_text("x")
    assert fullest(load_templates(tmp_path, [COMPANY])).text == GOOD


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """So does a file in its place."""
    with pytest.raises(TemplateError, match=r"\[note\] templates: .*none: No such file"):
        load_templates(tmp_path / "none")
    (tmp_path / "ja").write_text("x")
    with pytest.raises(TemplateError, match="ja: Not a directory"):
        load_templates(tmp_path)


def test_template_that_is_not_utf_8_stops_the_start(tmp_path: Path) -> None:
    """A file saved as Shift_JIS is named, not guessed at."""
    write(tmp_path, "ja/note")
    (tmp_path / "ja" / "note.txt.j2").write_bytes(GOOD.encode("cp932"))
    with pytest.raises(TemplateError, match=r"ja/note\.txt\.j2: byte 0 is not UTF-8"):
        load_templates(tmp_path)


def test_templates_are_found_in_the_checkout() -> None:
    """The folder beside the package holds both languages."""
    assert {"ja", "en"} <= {path.name for path in builtin_folder().iterdir()}
