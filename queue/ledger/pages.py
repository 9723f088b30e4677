"""Web pages: Jinja2 templates of `templates/web`, escaped, with a policy that lets nothing else in.

Every page carries its stylesheet inline and a Content-Security-Policy with that stylesheet's hash:
no script, no font, no picture, no other host. Pages work without JavaScript and are the same for
everybody; nothing about the reader is kept.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

LANGUAGES = ("ja", "en")
ACCEPT_LANGUAGE_MAX_CHARS = 200  # Browsers send some thirty.


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page and the headers it must be sent with."""

    html: str
    headers: dict[str, str]


class Pages:
    """Renders the templates of one folder with one stylesheet.

    `frames` lets pages of the same origin be shown in a frame; without it nothing is framed.
    `forms` lets forms be sent to this origin, and to no other.
    """

    def __init__(
        self, directory: Path, stylesheet: str, *, frames: bool = False, forms: bool = False
    ) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(directory),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        style = (directory / stylesheet).read_text(encoding="utf-8")
        self._style = Markup(style)  # noqa: S704 (our own file)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        sent = "'self'" if forms else "'none'"
        framed = "'self'" if frames else "'none'"
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            f"form-action {sent}; frame-ancestors 'none'; frame-src {framed}"
        )

    def render(self, template: str, **values: object) -> Page:
        """Return the page; a value that the template needs and does not get is an error."""
        html = self._environment.get_template(template).render(values, style=self._style)
        return Page(html, {"Content-Security-Policy": self._policy, **PAGE_HEADERS})


class MailTexts:
    """Renders what our mail says, as text and as HTML, from the folder beside the web templates."""

    def __init__(self, directory: Path) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(directory.parent / "mail"),
            autoescape=jinja2.select_autoescape(("html.j2",), default=False),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, template: str, **values: object) -> str:
        """Return the text; a value that the template needs and does not get is an error."""
        return self._environment.get_template(template).render(values)


# The address of a page may hold a token: no other site is told where the reader came from.
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


def find_templates() -> Path:
    """Return the folder of the web templates, in a checkout or in an installed package."""
    here = Path(__file__).resolve().parent
    # The wheel carries them inside the package `relay`; a checkout has them at the top.
    places = (here.parent / "relay" / "templates" / "web", here.parents[1] / "templates" / "web")
    for place in places:
        if place.is_dir():
            return place
    raise FileNotFoundError(f"no web templates in {places[0]} or {places[1]}")


def choose_language(accept_language: str, asked: str = "") -> str:
    """Return `ja` or `en`: the one asked for, else the one the browser ranks higher, else `ja`."""
    if asked in LANGUAGES:
        return asked
    ranked: dict[str, float] = {}
    for item in accept_language[:ACCEPT_LANGUAGE_MAX_CHARS].lower().split(","):
        tag, _, parameter = item.strip().partition(";")
        language = tag.partition("-")[0].strip()
        if language in LANGUAGES:
            ranked[language] = max(ranked.get(language, 0.0), _quality(parameter))
    if ranked:
        return max(ranked, key=ranked.__getitem__)
    # A browser that names neither is answered in the lingua franca, one that says nothing in ours.
    return "en" if accept_language.strip() else "ja"


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
