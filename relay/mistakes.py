"""The words for mistakes in the configuration: file, key, value, and what is expected."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

SHOWN_VALUE_CHARS = 60
# What is written here may be a password, or hold one.
_SECRET_KEYS = {"password", "url", "broker"}

# The library's words for what TOML calls otherwise.
_EXPECTED = {
    "tuple_type": 'expected a list, like ["…"]',
    "string_type": 'expected a text in quotes, like "…"',
    "model_type": "expected a table",
    "path_type": "expected the path of a file",
}


def explain_mistakes(path: Path, environment_prefix: str, error: ValidationError) -> str:
    """Return a line for every mistake. A value from the environment is named by its variable."""
    problems = error.errors(include_url=False)
    places = {problem["loc"] for problem in problems}
    return "\n".join(
        _explain(path, environment_prefix, problem)
        for problem in problems
        # A list is not too short because the only item in it is wrong.
        if not (problem["type"] == "too_short" and _has_wrong_item(problem, places))
    )


def _has_wrong_item(problem: ErrorDetails, places: set[tuple[int | str, ...]]) -> bool:
    place = problem["loc"]
    return any(other[: len(place)] == place and len(other) > len(place) for other in places)


def _explain(path: Path, environment_prefix: str, problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "the whole file"
    variable = environment_prefix + "__".join(str(part) for part in problem["loc"][:2]).upper()
    where = f"{variable} in the environment" if variable in os.environ else f"{path}: {key}"
    expected = _EXPECTED.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    if problem["type"] == "extra_forbidden":
        return f"{where}: no such key"
    if problem["type"] == "missing":
        return f"{where}: is missing"
    is_secret = bool(_SECRET_KEYS.intersection(map(str, problem["loc"])))
    if is_secret or isinstance(problem["input"], dict | list | tuple | BaseModel):
        return f"{where}: {expected}"
    return f"{where} = {shown(problem['input'])}: {expected}"


def shown(value: object) -> str:
    """Return a value for an error, cut to what a person reads."""
    text = repr(value)
    return text if len(text) <= SHOWN_VALUE_CHARS else text[:SHOWN_VALUE_CHARS] + "…"
