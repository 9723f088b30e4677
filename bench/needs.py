"""Find out what the patterns of the lexicons need: writes `relay/lexicon/needs.json`, to the byte.

python bench/needs.py          (make needs; make model does it, too)
"""

from __future__ import annotations

from relay.lexicons import load_lexicons
from relay.needs import FILE, find_out


def main() -> None:
    """Write the file."""
    FILE.write_text(find_out(lambda: load_lexicons(with_wording=False)), encoding="utf-8")


if __name__ == "__main__":
    main()
