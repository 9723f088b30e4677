"""Pages: the reader's language, and nothing unescaped."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from ledger.pages import Pages, choose_language, find_templates


@pytest.mark.parametrize(
    ("accepted", "asked", "language"),
    [
        ("", "", "ja"),
        ("ja", "", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "", "en"),
        ("ja;q=0.2, en;q=0.7", "", "en"),
        ("de-DE,de;q=0.9", "", "en"),
        ("ja", "en", "en"),
        ("en", "xx", "en"),
        ("en;q=x, ja;q=0.1", "", "ja"),
        (";;,,q=", "", "en"),
    ],
)
def test_language_is_the_readers(accepted: str, asked: str, language: str) -> None:
    """What is asked for comes first, then the browser's ranking."""
    assert choose_language(accepted, asked) == language


def test_values_are_escaped_and_needed(tmp_path: Path) -> None:
    """A value is text whatever is in it, and a missing one is an error, not a gap."""
    (tmp_path / "x.html.j2").write_text("<p>{{ name }}</p>", encoding="utf-8")
    (tmp_path / "x.css").write_text("p { color: red }", encoding="utf-8")
    pages = Pages(tmp_path, "x.css")
    assert pages.render("x.html.j2", name="<b>").html == "<p>&lt;b&gt;</p>"
    with pytest.raises(jinja2.UndefinedError):
        pages.render("x.html.j2")


def test_templates_are_found() -> None:
    """The web templates come with the program."""
    assert (find_templates() / "front.html.j2").is_file()


def test_our_pages_refer_to_nothing_elsewhere() -> None:
    """No template asks a browser for a script, a font or a picture."""
    for path in find_templates().iterdir():
        text = path.read_text(encoding="utf-8")
        # The report of a replay is a file, and its bars are as long as their figures.
        text = text.replace('<i style="width:', "") if path.name == "replay.html.j2" else text
        for word in ("<script", "@import", "url(", 'http-equiv="Content-Type', "<img", 'style="'):
            assert word not in text, path.name
