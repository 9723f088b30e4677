"""The pages of the registration as a browser shows them, for docs/candidate.md.

    python -m tests.registrationpictures docs/images

makes the pictures `register-*.png` with Debian's chromium, of the real program; with `--all` every
page and state, for whoever changes them.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from tests.browser.candidate import Candidate, candidate
from tests.browser.chromium import DESKTOP, PHONE, Device, chromium
from tests.browser.service import Service, serving
from tests.browser.states import walk

# Enough for letters with smooth edges, and a third of the bytes.
COLOURS = 64
SHOWN = {
    ("", PHONE): ("form", "errors", "sent", "confirm"),
    ("-dark", PHONE): ("form", "confirmed"),
    ("-desktop", DESKTOP): ("form",),
}


def main(folder: Path, *, everything: bool) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, _service() as service:
        for language in ("ja", "en"):
            for (suffix, device), names in SHOWN.items():
                with _at(browser, service, language, suffix, device) as person:
                    for name in walk(person):
                        if everything or name in names:
                            path = folder / f"register-{name}{suffix}.{language}.png"
                            write(path, person.page.screenshot(full_page=True))


def write(path: Path, picture: bytes) -> None:
    """Write a picture as a small PNG."""
    with Image.open(io.BytesIO(picture)) as opened:
        small = opened.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


@contextmanager
def _service() -> Generator[Service]:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as service:
        yield service


@contextmanager
def _at(
    browser: Browser, service: Service, language: str, suffix: str, device: Device
) -> Generator[Candidate]:
    is_dark = suffix == "-dark"
    with candidate(browser, service, language, device, dark=is_dark) as person:
        yield person


if __name__ == "__main__":
    main(Path(sys.argv[1]), everything="--all" in sys.argv[2:])
