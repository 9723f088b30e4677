"""Letters of ours in the markup of real mail programs, with the note, as a browser shows them.

    python -m tests.letterpictures docs/images

makes the pictures `note-*.png` with Debian's chromium: four letters, on a wide screen and on a
telephone. The letters are in `tests/rendered`; `tests/relay/test_rendered.py` measures all of them.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from relay.company import Company
from relay.inject import Mark, Rules, inject
from relay.mimemap import body_of, map_message
from relay.note import load_templates
from relay.undo import restore

LETTERS = Path(__file__).parent / "rendered"
LINK = "https://r.example.jp/k4mzt7q2xw5dny3hcb6rfa2vue7jsg5ilo3pc6yhn2t"
BASE_URL = "https://r.example.jp/"
COMPANY = Company(id="a", name="Aozora", domains=(), contact="recruit@aozora.example.jp")

# A browser's own window is never narrower than 500 px; a frame in it is as narrow as it should be.
WIDE_PX, PHONE_PX, PICTURE_PX = 1280, 375, 860
PICTURES = {
    "outlook-ja": "note-outlook",
    "gmail-ja": "note-gmail",
    "ats-table-ja": "note-ats",
    "plain-ja": "note-plain",
}
BROWSER_MAX_SECONDS = 60

# As a mail program shows plain text, in the fixed pitch it was typed in.
_PLAIN = (
    "<!doctype html><body style=\"margin:16px;font:14px/1.6 'Noto Sans Mono CJK JP',monospace\">"
    '<pre style="margin:0;font:inherit;white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>'
)
_ADDRESS = re.compile(r"https://[^\s<>&]+")
_RESULT = re.compile(r'<script id="result" type="application/json">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Letter:
    """A letter, and the words between which the note has to stand."""

    name: str
    is_html: bool
    body: str
    charset: str
    language: str
    last: str
    next: str

    @cached_property
    def message(self) -> bytes:
        """The letter as it goes over the wire."""
        kind = "html" if self.is_html else "plain"
        encoding = "7bit" if self.charset == "iso-2022-jp" else "8bit"
        head = (
            f"Subject: x\nContent-Type: text/{kind}; charset={self.charset}\n"
            f"Content-Transfer-Encoding: {encoding}\n\n"
        )
        return (head + self.body).replace("\n", "\r\n").encode(self.charset)

    @cached_property
    def changed(self) -> bytes:
        """The letter with the note in it."""
        notes = load_templates().notes(COMPANY, self.language, LINK)
        mark = Mark("abcdefghijklmnop", "m" * 26)
        message = inject(map_message(self.message), notes, mark, Rules(BASE_URL)).message
        assert restore(message) == self.message
        return message

    def page(self, message: bytes) -> str:
        """Return what a mail program gives its browser to show."""
        message_map = map_message(message)
        text = body_of(message_map, message_map.root).decode(self.charset)
        if self.is_html:
            return text
        shown = html.escape(text, quote=False)
        return _PLAIN.format(_ADDRESS.sub(lambda met: f'<a href="{met[0]}">{met[0]}</a>', shown))


def read_letters() -> dict[str, Letter]:
    """Return the letters by their names."""
    letters: dict[str, Letter] = {}
    for name, said in tomllib.loads((LETTERS / "letters.toml").read_text("utf-8")).items():
        (path,) = LETTERS.glob(f"{name}.[ht]*")
        letters[name] = Letter(
            name,
            is_html=path.suffix == ".html",
            body=path.read_text("utf-8"),
            charset=said.get("charset", "utf-8"),
            language=said["language"],
            last=said["last"],
            next=said["next"],
        )
    return letters


@dataclass(frozen=True, slots=True)
class Frame:
    """A page on a screen.

    It is `is_quirky` if the page's own doctype counts: what a web mailer shows stands in a page of
    its own, and is shown by the standard. On an `is_dark` screen the page may choose other colours.
    """

    width_px: int
    is_quirky: bool = False
    is_dark: bool = False
    page: str = ""

    def showing(self, page: str) -> Frame:
        """Return the same screen with this page on it."""
        return replace(self, page=page)


def browse(chromium: str, page: str, *options: str) -> str:
    """Return what the browser prints of a page: with `--dump-dom`, the page as scripts left it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page, "utf-8")
        command = (
            chromium,
            "--headless",
            "--disable-gpu",
            "--hide-scrollbars",
            # The pages are ours; in containers there is no sandbox to be had.
            "--no-sandbox",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder}/profile",
            *options,
            path.as_uri(),
        )
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BROWSER_MAX_SECONDS,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_in_frames(chromium: str, frames: Sequence[Frame], script: str) -> list[Any]:
    """Return what the script's function `measure(document)` says of each frame."""
    data = json.dumps([asdict(frame) for frame in frames]).replace("<", "\\u003c")
    out = browse(chromium, _FRAMES % {"frames": data, "script": script}, "--dump-dom")
    found = _RESULT.search(out)
    assert found, out[-2000:]
    results: list[Any] = json.loads(found[1])
    return results


# Room for the longest letter on a telephone: what lies below a frame's edge cannot be pointed at.
_FRAMES = """<!doctype html><meta charset="utf-8"><body><script>
%(script)s
const frames = %(frames)s.map(each => {
  const frame = document.createElement("iframe");
  frame.style.cssText = `border:0;display:block;height:3000px;width:${each.width_px}px`;
  if (each.is_dark) frame.style.colorScheme = "dark";
  if (!each.is_quirky) frame.srcdoc = each.page;
  document.body.append(frame);
  if (each.is_quirky) {
    frame.contentDocument.write(each.page);
    frame.contentDocument.close();
  }
  return frame;
});
onload = () => {
  const result = document.createElement("script");
  result.id = "result";
  result.type = "application/json";
  const found = frames.map(frame => measure(frame.contentDocument));
  result.textContent = JSON.stringify(found).replaceAll("<", "\\u003c");
  document.body.append(result);
};
</script></body>"""
_HEIGHT = "const measure = page => Math.ceil(page.documentElement.getBoundingClientRect().height);"


def main(folder: Path, chromium: str = "chromium") -> None:
    """Write the pictures."""
    letters = read_letters()
    pictures = {
        folder / f"{stem}{suffix}.png": Frame(width).showing(letter.page(letter.changed))
        for letter, stem in ((letters[name], stem) for name, stem in PICTURES.items())
        for width, suffix in ((PICTURE_PX, ""), (PHONE_PX, "-phone"))
    }
    heights = run_in_frames(chromium, list(pictures.values()), _HEIGHT)
    for (path, frame), height in zip(pictures.items(), heights, strict=True):
        browse(
            chromium,
            '<!doctype html><meta charset="utf-8"><body style="margin:0"><iframe style="border:0;'
            f'display:block;width:{frame.width_px}px;height:{height}px"'
            f' srcdoc="{html.escape(frame.page)}"></iframe>',
            f"--window-size={frame.width_px},{height}",
            f"--screenshot={path.resolve()}",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
