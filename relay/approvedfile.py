"""The file of approved letters: JSON, one letter a line, replaced in one step.

A file that is not there holds none. It holds hashes and what the admin wrote, so that everybody may
read it; several commands may change it at a time, one after the other.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from relay.approved import SENTENCES_MAX, ApprovedLetter
from relay.fingerprint import HASH_SIZE_CHARS, SHAPE_SIZE_CHARS, Fingerprint

FORMAT = "careerrelay-approved-letters/1"
# A letter takes under 1 KiB: a thousand of them, where a large company has some tens.
FILE_SIZE_MAX_BYTES = 1024 * 1024
LABEL_SIZE_MAX_CHARS = 100

_Hash = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{HASH_SIZE_CHARS}}}$")]
_Shape = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{SHAPE_SIZE_CHARS}}}$")]


class ApprovedFileError(Exception):
    """The file cannot be used; the text names it and what is wrong."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    company: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    shape: _Shape
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{0,3}$")]
    approved: Annotated[str, StringConstraints(max_length=40)]
    label: Annotated[
        str, StringConstraints(pattern=rf"^[^\x00-\x1f\x7f]{{0,{LABEL_SIZE_MAX_CHARS}}}$")
    ]
    outline: _Hash
    sentences: Annotated[list[_Hash], Field(min_length=1, max_length=SENTENCES_MAX)]
    deciding: list[Annotated[int, Field(ge=0)]]
    subject: _Hash
    is_subject_deciding: bool

    def letter(self) -> ApprovedLetter:
        fingerprint = Fingerprint(
            self.shape,
            self.outline,
            tuple(self.sentences),
            frozenset(self.deciding),
            self.subject,
            self.is_subject_deciding,
        )
        return ApprovedLetter(self.company, fingerprint, self.language, self.approved, self.label)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["careerrelay-approved-letters/1"]
    letters: list[_Row]


def load_approved(path: Path) -> tuple[ApprovedLetter, ...]:
    """Return the letters in `path`; `ApprovedFileError` says what is wrong with it."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_SIZE_MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ApprovedFileError(f"{path}: {error.strerror}") from error
    if len(text) > FILE_SIZE_MAX_BYTES:
        raise ApprovedFileError(f"{path}: larger than {FILE_SIZE_MAX_BYTES} bytes")
    try:
        rows = _Document.model_validate_json(text).letters
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ApprovedFileError(
            f"{path}: {place}: {first['msg']}; `careerrelay letters` writes this file"
        ) from error
    for index, row in enumerate(rows):
        if any(place >= len(row.sentences) for place in row.deciding):
            raise ApprovedFileError(f"{path}: letters.{index}.deciding: names no sentence")
    return tuple(row.letter() for row in rows)


def change_approved(
    path: Path, change: Callable[[tuple[ApprovedLetter, ...]], Iterable[ApprovedLetter]]
) -> None:
    """Replace the letters in `path` by what `change` makes of them, while nobody else does.

    A crash leaves the file before or the file after, and perhaps a `.new` beside it that the next
    change overwrites.
    """
    try:
        with _alone(path.parent):
            octets = _encode(tuple(change(load_approved(path))))
            if len(octets) > FILE_SIZE_MAX_BYTES:
                raise ApprovedFileError(
                    f"{path}: would be larger than {FILE_SIZE_MAX_BYTES} bytes; "
                    "remove letters first (`careerrelay letters remove`)"
                )
            _replace(path, octets)
    except OSError as error:
        raise ApprovedFileError(f"{path}: cannot be written: {error.strerror}") from error


@contextmanager
def _alone(folder: Path) -> Generator[int]:
    """Hold the lock of a folder, which outlives every file in it, and give its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, octets: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        # The relay's own user reads it, whatever mask the admin's shell has.
        os.fchmod(file.fileno(), 0o644)
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _encode(letters: Sequence[ApprovedLetter]) -> bytes:
    rows = ",\n".join(json.dumps(_row(letter), ensure_ascii=False) for letter in letters)
    return f'{{"format": "{FORMAT}", "letters": [\n{rows}\n]}}\n'.encode()


def _row(letter: ApprovedLetter) -> dict[str, object]:
    fingerprint = letter.fingerprint
    row = _Row(
        company=letter.company,
        shape=fingerprint.shape,
        language=letter.language,
        approved=letter.approved,
        label=letter.label,
        outline=fingerprint.outline,
        sentences=list(fingerprint.sentences),
        deciding=sorted(fingerprint.deciding),
        subject=fingerprint.subject,
        is_subject_deciding=fingerprint.is_subject_deciding,
    )
    return row.model_dump()
