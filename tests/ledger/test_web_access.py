"""What everybody can use: contrast of all colours, names of all fields, nothing in the way."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ledger.pages import find_templates
from tests.ledger.registration_world import SURE, World, visit

STYLE = (find_templates() / "web.css").read_text(encoding="utf-8")
LIGHT, DARK = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)

# Text on its ground: 4.5 (WCAG 2.2, 1.4.3). Edges of fields: 3 (1.4.11).
PAIRS = (
    ("ink", "ground", 4.5),
    ("ink", "card", 4.5),
    ("ink", "leaf-ground", 4.5),
    ("ink", "wrong-ground", 4.5),
    ("quiet", "ground", 4.5),
    ("quiet", "card", 4.5),
    ("leaf", "ground", 4.5),
    ("leaf", "card", 4.5),
    ("on-leaf", "leaf", 4.5),
    ("wrong", "ground", 4.5),
    ("wrong", "wrong-ground", 4.5),
    ("edge", "ground", 3.0),
    ("edge", "card", 3.0),
)


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_contrast(scheme: str, text: str, ground: str, least: float) -> None:
    """By day and by night."""
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", scheme))
    lights = sorted((luminance(colours[text]), luminance(colours[ground])))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= least


class Page(HTMLParser):
    """What a page has of fields, labels, ids and links to them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, *names: str) -> list[dict[str, str]]:
        """Return the attributes of all tags of these names."""
        return [given for tag, given in self.tags if tag in names]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pages_can_be_read_by_ear(tmp_path: Path, language: str) -> None:
    """Every field has a label, every description and error is there, one heading, one language."""
    pages: list[str] = []

    async def steps(world: World) -> None:
        asked = {"lang": language}
        pages.append((await world.http.get("/register", params=asked)).text)
        pages.append((await world.send("", language, name="", address="x", privacy="")).text)
        pages.append((await world.send("", language)).text)
        for link in (await world.links()).values():
            for sent in ({"sure": ""}, SURE):
                answer = await world.http.post(f"{link}&lang={language}", data=sent)
                pages.append(answer.text)

    visit(tmp_path, steps)
    assert len(pages) == 9
    for text in pages:
        page = Page(text)
        ids = [given["id"] for _, given in page.tags if "id" in given]
        assert len(set(ids)) == len(ids)
        labels = [given["for"] for given in page.all("label")]
        fields = page.all("input", "select")
        assert sorted(labels) == sorted(given["id"] for given in fields)
        for given in fields:
            assert set(given.get("aria-describedby", "").split()) <= set(ids)
            assert ("aria-invalid" in given) == (f"{given['id']}-error" in ids)
        inner = [given["href"][1:] for given in page.all("a") if given["href"].startswith("#")]
        assert set(inner) <= set(ids)
        assert len(page.all("h1")) == 1
        assert page.all("html") == [{"lang": language}]
        assert "user-scalable" not in text
        assert not [given for _, given in page.tags if "style" in given]
        # None that changes the order: what is wrong can have the focus, and is not on the way.
        assert {given.get("tabindex", "-1") for _, given in page.tags} == {"-1"}


def test_fields_tell_what_they_want(tmp_path: Path) -> None:
    """A phone fills them in and shows the right keys (WCAG 2.2, 1.3.5)."""

    async def steps(world: World) -> None:
        page = Page((await world.http.get("/register")).text)
        tokens = {given["id"]: given.get("autocomplete") for given in page.all("input")}
        assert (tokens["name"], tokens["address"]) == ("name", "email")
        (address,) = [given for given in page.all("input") if given["id"] == "address"]
        assert (address["inputmode"], address["type"]) == ("email", "email")
        (form,) = page.all("form")
        assert form["action"].startswith("/register?")

    visit(tmp_path, steps)
