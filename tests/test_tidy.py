"""The house rules that no tool holds: import directions, one file per foreign library, names."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"relay": ROOT / "relay", "signer": ROOT / "signer", "ledger": ROOT / "queue" / "ledger"}
FILES = sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))
COMPOSITION_ROOT = ("relay/__main__.py", "relay/cli/")
LINES_MAX = 400
TOP_LEVEL = {
    *("CHANGELOG.md", "Makefile", "README.ja.md", "README.md", "pyproject.toml"),
    *("requirements.txt", "requirements-dev.txt"),
    *("bench", "deploy", "docs", "queue", "relay", "signer", "templates", "tests"),
}

# What a package may import of ours besides itself. The composition root may import everything.
ALLOWED = {
    "signer": set[str](),
    "ledger": {"signer"},
    "relay": {"signer", "ledger.inbox", "ledger.events"},
}

# Where each foreign library is known, so that it can be replaced there: one file, or where a
# library is met on two sides of the house or is a language of its own (SQL, HTTP), the files that
# speak it.
HOMES = {
    "aiosmtpd": {"relay/smtp_in.py", "relay/sink.py", "relay/proxyheader.py"},
    "aiosmtplib": {"relay/downstream.py", "queue/ledger/mailer.py"},
    "alembic": {"queue/ledger/store_migrate.py", "queue/ledger/migrations/"},
    "crawleruseragents": {"queue/ledger/agents.py"},
    "cryptography": {
        "queue/ledger/checkpoint.py",
        "queue/ledger/handoverfile.py",
        "queue/ledger/sealed.py",
        "relay/dkimkeys.py",
        "relay/passwords.py",
    },
    "disposable_email_domains": {"queue/ledger/domains.py"},
    "dkim": {"relay/dkimsign.py"},
    "dns": {"relay/dnskeys.py"},
    "dramatiq": {
        f"queue/ledger/{name}.py"
        for name in ("worker", "broker", "broker_redis", "broker_rabbitmq")
    },
    "email_validator": {"relay/configvalues.py", "queue/ledger/mailaddress.py"},
    "fastapi": {f"queue/ledger/{name}.py" for name in ("api", "intake", "signups")},
    "h11": {"queue/ledger/webserver.py"},
    "httpx": {"queue/ledger/webhookout.py"},
    "idna": {"queue/ledger/domains.py"},
    "itsdangerous": {"signer/tokens.py", "signer/confirmations.py"},
    "jinja2": {"relay/note.py", "queue/ledger/pages.py"},
    "prometheus_client": {"relay/metrics.py", "relay/admin.py"},
    "pydantic_core": {
        "queue/ledger/clickdetail.py",
        "queue/ledger/events.py",
        "queue/ledger/store_additions.py",
        "relay/mistakes.py",
    },
    "redis": {"queue/ledger/broker_redis.py"},
    "pydantic_settings": {"relay/config.py", "relay/relayconfig.py"},
    "ahocorasick_rs": {"relay/needles.py"},
    "reportlab": {"queue/ledger/statement_pdf.py"},
    "selectolax": {"relay/visible.py"},
    "sqlalchemy": {"queue/ledger/store", "queue/ledger/migrations/"},
    "standardwebhooks": {"queue/ledger/webhook.py"},
    "uvicorn": {"queue/ledger/webserver.py"},
    "uvloop": {"relay/cli/service.py"},
}


def name_of(path: Path) -> str:
    """Return the path as the tables above write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def imports_of(path: Path) -> tuple[str, ...]:
    """Return the full name of everything that a file imports, inside functions too."""
    return tuple(_imports_of(path))


def _imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: a relative import"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    """Return the package of ours that a file belongs to."""
    return next(name for name, folder in PACKAGES.items() if path.is_relative_to(folder))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    """signer imports nothing of ours, ledger imports signer, relay only two files of ledger."""
    if name_of(path).startswith(COMPOSITION_ROOT):
        return
    package = package_of(path)
    for name in imports_of(path):
        top = name.partition(".")[0]
        if top not in PACKAGES or top == package:
            continue
        allowed = ALLOWED[package]
        names = {top, ".".join(name.split(".")[:2])}
        # `from ledger import inbox` names the package first, then the module: the module counts.
        assert names & allowed or name in {each.partition(".")[0] for each in allowed}, (
            f"{name_of(path)} imports {name}"
        )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_composition_root_is_imported_by_itself_alone(path: Path) -> None:
    """Nobody but the command line imports the command line."""
    if not name_of(path).startswith(COMPOSITION_ROOT):
        assert not [name for name in imports_of(path) if name.startswith("relay.cli")]


@pytest.mark.parametrize("library", sorted(HOMES))
def test_each_library_has_one_home(library: str) -> None:
    """A foreign library is known where the table says, nowhere else, and still there."""
    users = {
        name_of(path)
        for path in FILES
        if any(name.partition(".")[0] == library for name in imports_of(path))
    }
    strangers = {user for user in users if not user.startswith(tuple(HOMES[library]))}
    assert not strangers
    assert all(any(user.startswith(home) for user in users) for home in HOMES[library])


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_names_are_not_those_of_the_standard_library(path: Path) -> None:
    """No module of ours, at any depth, hides one of the standard library."""
    own = {"__init__", "__main__"}
    assert path.stem in own or path.stem not in sys.stdlib_module_names
    folders = path.relative_to(PACKAGES[package_of(path)]).parts[:-1]
    assert not set(folders) & sys.stdlib_module_names


def test_queue_is_a_source_root() -> None:
    """A package named `queue` would hide the one that dramatiq and others import."""
    assert not (ROOT / "queue" / "__init__.py").exists()
    assert not (ROOT / "tests" / "queue").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))
    import queue

    assert hasattr(queue, "SimpleQueue")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_one_idea(path: Path) -> None:
    """A file opens by saying what it is for, and is short enough to be read at once."""
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} has no docstring"
    assert text.count("\n") <= LINES_MAX


def test_requirements_are_pinned_and_name_no_index() -> None:
    """Every requirement has a version and hashes; no address of an index stands in the files."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index-url" not in text
        entries = re.split(r"\n(?=[a-z0-9])", text.strip())
        assert len(entries) > 10
        for entry in entries:
            assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry)
            assert "--hash=sha256:" in entry


def test_the_top_level_holds_what_is_meant_to_be_there() -> None:
    """No program that tests start leaves something of its own in the repository."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = [git, "-c", "safe.directory=*", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    names = {name.partition("/")[0] for name in listed.stdout.decode().splitlines()}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def test_possessive_groups_repeat_nothing() -> None:
    """Python before 3.11.5 does not match a possessive group with a repetition in it (gh-106052).

    Debian 12 has 3.11.2. A repeated single character is no group.
    """
    patterns: dict[str, Any] = {
        f"{module.__name__}.{name}": value
        for package in PACKAGES
        for module in _modules(package)
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    }
    assert patterns
    parse: Any = import_module("re._parser").parse
    wrong = [
        name
        for name, pattern in patterns.items()
        if _has_repeats_in_possessive(parse(pattern.pattern, pattern.flags))
    ]
    assert wrong == []


def _modules(package: str) -> Iterator[ModuleType]:
    """Yield all modules of a package but those that do something when they are imported."""
    found = import_module(package)
    for info in walk_packages(found.__path__, f"{package}."):
        if not info.name.endswith("__main__") and ".migrations" not in info.name:
            yield import_module(info.name)


def _has_repeats_in_possessive(tree: Any, *, is_inside: bool = False) -> bool:
    """Say whether a possessive repetition holds one of another length than a fixed one."""
    for operation, argument in tree:
        name = str(operation)
        if name.endswith("_REPEAT"):
            least, most, body = argument
            if is_inside and least != most:
                return True
            is_possessive = is_inside or name == "POSSESSIVE_REPEAT"
            if _has_repeats_in_possessive(body, is_inside=is_possessive):
                return True
        elif name == "BRANCH":
            if any(_has_repeats_in_possessive(one, is_inside=is_inside) for one in argument[1]):
                return True
        elif name in {"SUBPATTERN", "ASSERT", "ASSERT_NOT", "ATOMIC_GROUP"}:
            body = argument if name == "ATOMIC_GROUP" else argument[-1]
            if _has_repeats_in_possessive(body, is_inside=is_inside):
                return True
    return False
