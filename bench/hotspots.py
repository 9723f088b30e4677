"""Where the relay's time goes."""

from __future__ import annotations

from typing import Any


def show_profile(console: Any, bench: Any) -> None:
    """Show it."""
