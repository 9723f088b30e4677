"""How far recognition gets on the development letters beside the repository.

The letters are not part of the project. The floors are a little under what is reached, so that a
change to the lexicons that costs precision or recall is seen. Precision comes first: the floor for
letters wrongly taken for a rejection is close to none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relay.cli.judge import judge_row
from relay.cli.tally import Tally
from relay.entries import Lexicons
from tests.lexicons import installed_lexicons

LETTERS = Path(__file__).parents[2].parent / "shared" / "letters"

pytestmark = pytest.mark.skipif(
    not LETTERS.is_dir(), reason="the development letters are not beside the repository"
)


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    """Return the lexicons as installed."""
    return installed_lexicons()


def measure(file: str, lexicons: Lexicons, languages: set[str]) -> Tally:
    """Return the counts over the letters of a file in these languages."""
    tally = Tally()
    for line in (LETTERS / file).read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        if row["lang"] in languages:
            verdict = judge_row(row, lexicons)
            tally.add(row["label"] == "rejection", verdict.kind, row["kind"], row["lang"])
    return tally


@pytest.mark.parametrize(
    ("file", "languages", "wrong_max", "recall_min"),
    [
        ("ja.jsonl", {"ja", "ja+en", "en"}, 1, 0.75),
        ("en.jsonl", {"en"}, 1, 0.50),
        ("public-en.jsonl", {"en"}, 0, 0.90),
        ("en.jsonl", {"ko", "zh", "de", "fr", "es"}, 0, 0.50),
    ],
)
def test_floors_of_precision_and_recall(
    file: str, languages: set[str], wrong_max: int, recall_min: float, lexicons: Lexicons
) -> None:
    """Hardly ever wrong, and most rejections found."""
    total = measure(file, lexicons, languages).total
    assert total.false_positive <= wrong_max
    assert total.true_positive >= recall_min * total.rejections
