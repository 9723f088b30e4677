"""The rules of a dry run: those of no installation, with links that lead nowhere."""

from __future__ import annotations

from functools import cache

from relay.cli.common import now
from relay.entries import Lexicons
from relay.note import NoteTemplates, load_templates
from relay.pipeline import Rules, make_rules
from signer.keyring import KeyRing

DRY_CONTACT = "recruit@example.jp"
_BASE_URL = "https://r.example.jp/"


def dry_rules(lexicons: Lexicons) -> Rules:
    """Return rules without a company. `TemplateError`: our own files are wrong."""
    return make_rules((), lexicons, _templates(), _key_ring(), _BASE_URL)


@cache
def _templates() -> NoteTemplates:
    return load_templates()


@cache
def _key_ring() -> KeyRing:
    return KeyRing.generate(now())
