"""What a candidate sees: letters in a real browser, beside the same letters without the note.

Debian's chromium is started once, on one page with a frame for each letter and screen. Each piece
of text is measured: place, font, colours, and what lies over it. How the letters are made, and how
the browser is run, is in `tests/letterpictures.py`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest

from tests.letterpictures import (
    LINK,
    PHONE_PX,
    WIDE_PX,
    Frame,
    Letter,
    read_letters,
    run_in_frames,
)
from tests.relay.programs import program

LETTERS = read_letters()
# A web mailer shows letters in a page of its own, a program by the letter's own doctype.
SCREENS = {
    "wide": Frame(WIDE_PX),
    "phone": Frame(PHONE_PX),
    "program": Frame(WIDE_PX, is_quirky=True),
    "dark": Frame(PHONE_PX, is_dark=True),
}
CASES = list(itertools.product(LETTERS, SCREENS))

# WCAG 2.2, 1.4.3: the palest words that may be.
CONTRAST_MIN = 4.5
SIZE_MIN_PX = 9
EDGE_MAX_PX = 8
# The statement of interest is a step smaller.
SMALLER_MIN = 0.8
# An empty line above and below, of any letter's line height and of any program's.
SPACE_MIN_EM, SPACE_MAX_EM = 0.5, 2.5
# Lines are moved by whole pixels.
ROUNDING_MAX_PX = 1.5

# Gives what `Page` takes. Where lines are kept, each is a piece of its own.
MEASURE = """
const channels = colour => {
  const found = colour.match(/[\\d.]+/g).map(Number);
  return found.length > 3 ? found : [...found, 1];
};
const over = (front, back) => front.slice(0, 3).map(
  (value, i) => value * front[3] + back[i] * (1 - front[3]));
const luminance = colour => {
  const [r, g, b] = colour.map(value => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
function* pieces(node) {
  const text = node.data;
  const keeps = getComputedStyle(node.parentElement).whiteSpace.startsWith("pre");
  const ends = keeps ? [...text.matchAll(/\\n/g)].map(met => met.index) : [];
  let start = 0;
  for (const end of [...ends, text.length]) {
    if (text.slice(start, end).trim()) yield [start, end];
    start = end + 1;
  }
}
function textOf(page, node, start, end) {
  const element = node.parentElement, style = getComputedStyle(element);
  const range = page.createRange();
  range.setStart(node, start);
  range.setEnd(node, end);
  const box = range.getBoundingClientRect(), first = range.getClientRects()[0] ?? box;
  const around = [];
  for (let each = element; each; each = each.parentElement) around.push(each);
  const styles = around.map(each => getComputedStyle(each));
  const ground = styles.map(each => channels(each.backgroundColor)).reverse().reduce(
    (back, front) => over(front, back), [255, 255, 255]);
  const colour = over(channels(style.color), ground);
  const [pale, dark] = [luminance(colour), luminance(ground)].sort((a, b) => b - a);
  const at = styles.findIndex(each => !each.display.startsWith("inline"));
  const block = around[at].getBoundingClientRect();
  const hit = page.elementFromPoint(
    (first.left + first.right) / 2, (first.top + first.bottom) / 2);
  return {
    words: node.data.slice(start, end).trim().split(/\\s+/).join(" "),
    left: box.left, top: box.top, right: box.right, bottom: box.bottom,
    edge: block.left + around[at].clientLeft + parseFloat(styles[at].paddingLeft),
    family: style.fontFamily, size: parseFloat(style.fontSize), weight: style.fontWeight,
    colour: style.color, line: style.textDecorationLine,
    contrast: (pale + 0.05) / (dark + 0.05),
    is_seen: box.width > 0 && box.height > 0 && hit === element &&
      element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) &&
      styles.every(each => each.opacity === "1"),
    address: element.closest("a")?.href ?? "",
  };
}
function measure(page) {
  const texts = [], walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (["STYLE", "SCRIPT"].includes(node.parentElement.tagName)) continue;
    for (const [start, end] of pieces(node)) texts.push(textOf(page, node, start, end));
  }
  return {width: page.scrollingElement.scrollWidth, texts};
}
"""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text as it is shown, with sizes in pixels."""

    words: str
    left: float
    top: float
    right: float
    bottom: float
    edge: float
    """The left edge of the block it stands in."""
    family: str
    size: float
    weight: str
    colour: str
    line: str
    """Under, over or through it."""
    contrast: float
    is_seen: bool
    """Nothing hides it or lies over it."""
    address: str
    """Where it leads to, if it is a link."""

    @property
    def look(self) -> tuple[object, ...]:
        """How it is set and how wide it is, wherever it stands."""
        place = (self.left, self.right, self.bottom - self.top, self.edge)
        setting = (self.family, self.size, self.weight, self.colour, self.line, self.contrast)
        return self.words, *(round(each, 1) for each in place), *setting, self.is_seen


@dataclass(frozen=True, slots=True)
class Page:
    """A letter as it is shown: wider than the screen if it can be moved sideways."""

    width: float
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A letter on a screen: what stands above the note, the note, and what stands below."""

    letter: Letter
    before: Page
    after: Page
    above: tuple[Text, ...]
    note: tuple[Text, ...]
    below: tuple[Text, ...]

    @classmethod
    def of(cls, letter: Letter, before: Page, after: Page) -> Seen:
        start = next(i for i, text in enumerate(after.texts) if text.words.startswith("【PR】"))
        end = start + len(after.texts) - len(before.texts)
        parts = after.texts[:start], after.texts[start:end], after.texts[end:]
        return cls(letter, before, after, *parts)

    @property
    def last(self) -> Text:
        """The words that end the letter's own text."""
        return next(text for text in reversed(self.above) if self.letter.last in text.words)

    @property
    def next(self) -> Text:
        """The first words behind the letter's own."""
        return next(text for text in self.below if self.letter.next in text.words)

    @property
    def link(self) -> Text:
        """The note's link."""
        (link,) = (text for text in self.note if text.address == LINK)
        return link


@pytest.fixture(scope="module")
def shown() -> dict[tuple[str, str], Seen]:
    """Show all letters in a browser, once."""
    frames = [
        frame.showing(letter.page(message))
        for letter, frame in itertools.product(LETTERS.values(), SCREENS.values())
        for message in (letter.message, letter.changed)
    ]
    pages = iter(
        Page(found["width"], tuple(Text(**text) for text in found["texts"]))
        for found in run_in_frames(program("chromium"), frames, MEASURE)
    )
    return {case: Seen.of(LETTERS[case[0]], next(pages), next(pages)) for case in CASES}


@pytest.fixture
def seen(shown: dict[tuple[str, str], Seen], case: tuple[str, str]) -> Seen:
    """Return one letter on one screen."""
    return shown[case]


each_case = pytest.mark.parametrize("case", CASES, ids="-".join)


@each_case
def test_note_is_seen_and_can_be_read(seen: Seen) -> None:
    """All of the note has size and contrast enough, and nothing hides or covers it."""
    assert seen.note
    for text in seen.note:
        assert text.is_seen, text
        assert text.size >= SIZE_MIN_PX, text
        assert text.contrast >= CONTRAST_MIN, text


@each_case
def test_note_makes_nothing_wider(seen: Seen) -> None:
    """The note is within the screen, and the letter can be moved sideways no more than before."""
    assert seen.after.width == seen.before.width
    for text in seen.note:
        assert 0 <= text.left < text.right <= seen.after.width


@each_case
def test_note_stands_between_the_letter_and_what_follows(seen: Seen) -> None:
    """It is below the last own words and above signature, quote or footer, an empty line apart."""
    size = seen.last.size
    top, bottom = (min(t.top for t in seen.note), max(t.bottom for t in seen.note))
    assert SPACE_MIN_EM * size <= top - seen.last.bottom <= SPACE_MAX_EM * size
    below = seen.next.top - bottom
    (old_last,) = (t for t in seen.before.texts if t.words == seen.last.words)
    old_next = next(t for t in seen.before.texts if t.words == seen.next.words)
    # A ruler, a button or the edge of a card may be between.
    old_space = old_next.top - old_last.bottom
    assert SPACE_MIN_EM * size <= below <= max(old_space, 0) + SPACE_MAX_EM * size


@each_case
def test_note_is_set_as_the_letter_is(seen: Seen) -> None:
    """It has the font, size, colour and left edge of the last paragraph; it is not bold."""
    first = seen.note[0]
    for text in (first, seen.link):
        assert (text.family, text.size) == (seen.last.family, seen.last.size)
        assert text.weight == "400"
        # In plain text it is the mail program that makes the link.
        assert text.colour == seen.last.colour or not seen.letter.is_html
        assert abs(text.edge - seen.last.edge) <= EDGE_MAX_PX
        assert abs(text.left - seen.last.edge) <= EDGE_MAX_PX
    for text in seen.note:
        assert text.family == first.family
        assert SMALLER_MIN * first.size <= text.size <= first.size


@each_case
def test_link_is_known_as_a_link(seen: Seen) -> None:
    """It is underlined, whatever the letter's style sheet does to links."""
    assert "underline" in seen.link.line


@each_case
def test_all_else_is_as_it_was(seen: Seen) -> None:
    """Every other word is set as before; what is below has moved down, and all by the same."""
    old = seen.before.texts
    others = seen.above + seen.below
    assert [text.look for text in others] == [text.look for text in old]
    moved = [new.top - was.top for new, was in zip(others, old, strict=True) if was.is_seen]
    count = sum(text.is_seen for text in seen.above)
    assert all(abs(each) <= ROUNDING_MAX_PX for each in moved[:count])
    assert max(moved[count:]) - min(moved[count:]) <= ROUNDING_MAX_PX
    assert min(moved[count:]) > 0
