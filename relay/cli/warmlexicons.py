"""Lexicons that have judged before.

The first letters of a process take many times as long as others. On a slow machine that can be more
than the time box, and a command would say so of a letter for which the relay has time.
"""

from __future__ import annotations

from relay.cli.letterfile import envelope_from_header
from relay.cli.samples import load_samples
from relay.entries import Lexicons
from relay.letter import read_letter
from relay.lexicons import load_lexicons
from relay.mimemap import map_message
from relay.verdict import judge


def load_warm_lexicons() -> Lexicons:
    """Return what `load_lexicons` does, once a few letters were judged by it."""
    lexicons = load_lexicons()
    for sample in load_samples():
        message_map = map_message(sample.message)
        judge(read_letter(message_map, envelope_from_header(message_map)), lexicons)
    return lexicons
