"""The policies of crediting that come with this version, in policies.toml beside this file."""

from __future__ import annotations

from importlib import resources

from ledger.credits import Policy, parse_policies


def read_policies() -> tuple[Policy, ...]:
    """Return them, oldest first."""
    return parse_policies(resources.files("ledger").joinpath("policies.toml").read_text("utf-8"))
