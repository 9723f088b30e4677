"""What `careerrelay check` shows of a letter, as it is shown in docs/recognition.md.

python -m tests.checkpicture LETTER.eml PICTURE.svg
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 96
# In this font a Japanese character is as wide as two Latin ones.
PAGE = """<!doctype html><meta charset="utf-8">
<body style="margin:16px;background:#1b1b1f;color:#ddd">
<pre style="font:15px/1.5 'Noto Sans Mono CJK JP',monospace;margin:0">{code}</pre></body>"""


def main(letter: Path, picture: Path) -> None:
    """Run the command on a terminal of this width and write down what it shows."""
    environment = {
        **os.environ,
        "FORCE_COLOR": "1",
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
    }
    shown = subprocess.run(
        [sys.executable, "-m", "relay", "check", letter.name],
        cwd=letter.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(file=nowhere, record=True, width=WIDTH)
        console.print(Text.from_ansi(shown))
        page = console.export_html(theme=MONOKAI, inline_styles=True, code_format=PAGE)
        picture.write_text(page, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
