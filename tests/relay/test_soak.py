"""Nothing lost, in the size of a test: `tests/soak.py` has the story, and runs it in full."""

from __future__ import annotations

import pytest

from tests.soak import soak

pytestmark = pytest.mark.long

MESSAGES = 2000
CONNECTIONS = 40
PROCESSES = 2


def test_nothing_is_lost() -> None:
    """With hop and relay killed on the way every message arrives, and the record is true."""
    account = soak(MESSAGES, CONNECTIONS, PROCESSES, seed=1)
    account.print()
    assert account.violations == []
    table = dict(account.rows)
    assert table["letters with one link, which gave back the original"] == MESSAGES // 10
    assert str(table["killed"]).count("SIG") == 3
