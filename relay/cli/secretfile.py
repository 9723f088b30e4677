"""Files that hold a secret: read whole, and only if nobody else may read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

SECRET_FILE_MAX_BYTES = 4096  # "whsec_" and 32 bytes in base64 are 50; passwords are shorter.


class SecretFileError(Exception):
    """The file cannot be read, or others may read it; the text names it and never its content."""


def read_secret(path: Path, advice: str) -> bytes:
    """Return the secret without the end of its line; `advice` is for one that cannot be read."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read(SECRET_FILE_MAX_BYTES).rstrip(b"\r\n")
    except OSError as error:
        raise SecretFileError(f"{path}: {error.strerror}; {advice}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretFileError(
            f"{path}: mode is {mode:04o}, others may read it; expected 0600 (chmod 600)"
        )
    return secret
