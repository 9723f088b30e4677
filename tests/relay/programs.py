"""Programs that are not ours: found, or the test is skipped, and fails in CI."""

from __future__ import annotations

import os
import shutil

import pytest

# Debian's packages of programs that are called otherwise.
_PACKAGES = {"gpg": "gnupg", "gpgconf": "gnupg", "smtp-sink": "postfix", "smtp-source": "postfix"}


def program(name: str) -> str:
    """Return the path of a program."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")
    if found is None:
        reason = f"{name} is not installed (Debian: {_PACKAGES.get(name, name)})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
