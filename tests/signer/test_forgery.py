"""No token that nobody issued is accepted; the whole of it is `python tests/tokens.py`."""

from __future__ import annotations

import random

from signer.tokens import make_token, read_token
from tests import tokens


def test_nothing_is_accepted_that_was_not_issued() -> None:
    """Neither random tokens nor real ones with one character changed; a real one is."""
    assert tokens.accepted(20_000, 10_000, seed=11) == []
    ring = tokens.make_ring(random.Random(11))  # noqa: S311 (to be made again)
    good = make_token(ring, "aozora", "abcdefghijklmnop")
    assert read_token(ring, good, tokens.COMPANIES).company == "aozora"
