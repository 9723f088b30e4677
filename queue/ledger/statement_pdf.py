"""A statement as a PDF of one A4 page (docs/decisions/0012-reportlab.md).

The same view by the same version of the library is the same file: no clock and no random id goes
in. The Japanese font is one that readers have; its glyphs are not in the file.
"""

from __future__ import annotations

import io
from typing import Any, Final, cast

from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.units import mm  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from ledger.statement_view import Section, Table, View

FONT: Final = "HeiseiKakuGo-W5"

# For text without Japanese: readers' substitutes of the Japanese font space Latin letters badly.
LATIN_FONT: Final = "Helvetica"

# The library has no types.
_metrics: Final = cast("Any", pdfmetrics)

_INK: Final = (0.11, 0.15, 0.13)
_QUIET: Final = (0.36, 0.41, 0.39)
_LINE: Final = (0.81, 0.84, 0.82)
_LEAF: Final = (0.05, 0.42, 0.33)
_OPEN: Final = (0.60, 0.36, 0.0)

_LEFT: Final[float] = 18 * mm
_RIGHT: Final[float] = A4[0] - 18 * mm
_TOP: Final[float] = A4[1] - 22 * mm
_GAP: Final[float] = 10 * mm
_ROW: Final[float] = 6.2 * mm
_COUNT_WIDTH: Final[float] = 20 * mm
_LABEL_WIDTH: Final[float] = 54 * mm


class _Sheet:
    """A page that is written from top to bottom; `y` is where the next line goes."""

    def __init__(self, out: io.BytesIO, language: str) -> None:
        self.canvas: Any = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, lang=language)
        self.y = _TOP

    def text(
        self, x: float, text: str, size: float, color: tuple[float, ...], *, right: bool = False
    ) -> None:
        self.canvas.setFont(_font(text), size)
        self.canvas.setFillColorRGB(*color)
        if right:
            self.canvas.drawRightString(x, self.y, text)
        else:
            self.canvas.drawString(x, self.y, text)

    def rule(self, left: float, right: float, color: tuple[float, ...], width: float) -> None:
        self.canvas.setStrokeColorRGB(*color)
        self.canvas.setLineWidth(width)
        self.canvas.line(left, self.y - 2 * mm, right, self.y - 2 * mm)


def render_pdf(view: View) -> bytes:
    """Return the page as a PDF."""
    _metrics.registerFont(UnicodeCIDFont(FONT))
    out = io.BytesIO()
    sheet = _Sheet(out, view.language)
    sheet.canvas.setTitle(f"{view.title} {view.month} {view.company}")
    sheet.canvas.setAuthor("Career Relay")
    _head(sheet, view)
    for section in view.sections:
        _section(sheet, section)
    _facts(sheet, view)
    _note(sheet, view)
    sheet.canvas.showPage()
    sheet.canvas.save()
    return out.getvalue()


def _head(sheet: _Sheet, view: View) -> None:
    sheet.text(_LEFT, view.title, 17, _INK)
    sheet.text(_RIGHT, view.status, 11, _LEAF if view.is_issued else _OPEN, right=True)
    sheet.y -= 10 * mm
    sheet.text(_RIGHT, view.month, 11, _INK, right=True)
    width = _RIGHT - _LEFT - _width(view.month, 11) - _GAP
    first, *more = _wrapped(view.company, 11, width)
    sheet.text(_LEFT, first, 11, _INK)
    for line in more:
        sheet.y -= 5 * mm
        sheet.text(_LEFT, line, 11, _INK)
    sheet.y -= 1 * mm
    sheet.rule(_LEFT, _RIGHT, _LEAF, 1.2)
    if view.warning:
        sheet.y -= 8 * mm
        sheet.text(_LEFT, view.warning, 10, _OPEN)
    sheet.y -= 12 * mm


def _section(sheet: _Sheet, section: Section) -> None:
    sheet.text(_LEFT, section.title, 12, _LEAF)
    sheet.y -= 7 * mm
    top = sheet.y
    middle = _LEFT + (_RIGHT - _LEFT) * 0.58
    _table(sheet, section.balances, _LEFT, middle)
    low = sheet.y
    sheet.y = top
    _table(sheet, section.movements, middle + _GAP, _RIGHT)
    sheet.y = min(low, sheet.y) - 6 * mm


def _table(sheet: _Sheet, table: Table, left: float, right: float) -> None:
    for index, row in enumerate((table.headings, *table.rows)):
        size, color = (8.5, _QUIET) if index == 0 else (10, _INK)
        sheet.text(left, row[0], size, color)
        for place, value in enumerate(reversed(row[1:])):
            sheet.text(right - place * _COUNT_WIDTH, value, size, color, right=True)
        sheet.rule(left, right, _LINE, 0.5)
        sheet.y -= _ROW


def _facts(sheet: _Sheet, view: View) -> None:
    sheet.text(_LEFT, view.proof, 12, _LEAF)
    sheet.y -= 7 * mm
    for label, value in view.facts:
        sheet.text(_LEFT, label, 8.5, _QUIET)
        width = _RIGHT - _LEFT - _LABEL_WIDTH
        for index, line in enumerate(_wrapped(value, 8.5, width)):
            if index:
                sheet.y -= 4.5 * mm
            sheet.text(_LEFT + _LABEL_WIDTH, line, 8.5, _INK)
        sheet.rule(_LEFT, _RIGHT, _LINE, 0.5)
        sheet.y -= _ROW
    sheet.y -= 4 * mm


def _note(sheet: _Sheet, view: View) -> None:
    for line in _wrapped(view.note, 8.5, _RIGHT - _LEFT):
        sheet.text(_LEFT, line, 8.5, _QUIET)
        sheet.y -= 4.5 * mm


def _font(text: str) -> str:
    return LATIN_FONT if text.isascii() else FONT


def _width(text: str, size: float) -> float:
    width: float = _metrics.stringWidth(text, _font(text), size)
    return width


def _wrapped(text: str, size: float, width: float) -> list[str]:
    """Return the text in lines that fit; at a space where there is one, else anywhere."""
    lines: list[str] = []
    while _width(text, size) > width:
        count = next(
            n for n in range(len(text), 0, -1) if n == 1 or _width(text[:n], size) <= width
        )
        space = text.rfind(" ", 1, count + 1)
        count = space if space > 0 else count
        lines.append(text[:count].rstrip())
        text = text[count:].lstrip()
    return [*lines, text]
