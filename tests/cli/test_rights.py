"""Root's rights: used for the sockets, given up before the first letter. Most of it needs root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.daemon import WAIT_SECONDS, daemon
from tests.cli.process import careerrelay, create
from tests.relay.neighbours import Hop

NOBODY = "nobody"
ROOT = Path(__file__).parents[2]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root's rights")


@dataclass(frozen=True)
class Installation:
    """An installation that belongs to nobody, and the command for it."""

    folder: Path
    config: Path
    command: Sequence[str]
    settings: dict[str, str | None]


def interpreters() -> Iterator[str]:
    """Yield the Python of the tests and the system's own of the same version."""
    yield sys.executable
    found = shutil.which(f"python{sysconfig.get_python_version()}", path="/usr/bin:/usr/local/bin")
    if found:
        yield found


@pytest.fixture
def installation() -> Iterator[Installation]:
    """Make an installation that nobody owns; pytest's own folders are closed to nobody."""
    paths = [str(ROOT), str(ROOT / "queue"), sysconfig.get_path("purelib")]
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    for python in interpreters():
        tried = [python, "-c", "import relay.cli.service"]
        try:
            subprocess.run(
                tried, env=environment, user=NOBODY, check=True, capture_output=True, cwd="/"
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        break
    else:
        pytest.skip("nobody can read neither this Python nor this checkout")
    folder = Path(tempfile.mkdtemp(prefix="careerrelay-test-"))
    try:
        config = create(folder)
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, NOBODY)
        settings: dict[str, str | None] = {**environment, "CAREERRELAY_RELAY__RUN_AS": NOBODY}
        yield Installation(folder, config, (python, "-m", "relay"), settings)
    finally:
        shutil.rmtree(folder)


def low_port() -> int:
    """Return a free port that only root may open."""
    for port in range(1023, 700, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.fail("every port below 1024 is taken")


def identity(process_id: int) -> dict[str, list[str]]:
    """Return user ids, group ids and further groups of a process, as Linux writes them."""
    text = Path(f"/proc/{process_id}/status").read_text()
    rows = dict(line.split(":", 1) for line in text.splitlines())
    return {key: rows[key].split() for key in ("Uid", "Gid", "Groups")}


@needs_root
@pytest.mark.parametrize("processes", [1, 2])
def test_root_is_given_up(next_hop: Hop, installation: Installation, processes: int) -> None:
    """With a port that only root may open, every process is the user's; killed ones return."""
    port = low_port()
    with daemon(
        installation.config,
        next_hop.port,
        processes=processes,
        settings=installation.settings,
        command=installation.command,
        relay_port=port,
    ) as running:
        running.wait_until_started()
        everyone = [running.process.pid]
        if processes > 1:
            os.kill(running.child("relay-1"), 9)
            everyone += [running.child("relay-1", life=2), running.child("intake")]
        nobody = pwd.getpwnam(NOBODY)
        for process_id in everyone:
            assert identity(process_id) == {
                "Uid": [str(nobody.pw_uid)] * 4,
                "Gid": [str(nobody.pw_gid)] * 4,
                "Groups": [str(nobody.pw_gid)],
            }
        running.send()
        assert not running.lines("running_as_root")
    assert b"r.example.jp" in next_hop.heard.wires[0]
    assert (installation.folder / "careerrelay.db").owner() == NOBODY


@needs_root
def test_root_without_a_user_is_said(next_hop: Hop, tmp_path: Path) -> None:
    """Who goes on as root is told what to set."""
    with daemon(create(tmp_path), next_hop.port) as running:
        running.wait_until_started()
        (line,) = running.lines("running_as_root")
        assert (line["level"], line["advice"]) == ("warning", "set relay.run_as")


@needs_root
@pytest.mark.parametrize(
    ("name", "expected"), [("no-such-user", "no such user"), ("root", "is root")]
)
def test_unusable_user(tmp_path: Path, name: str, expected: str) -> None:
    """A user that does not exist, or has root's rights itself, stops the start."""
    settings = {"CAREERRELAY_RELAY__RUN_AS": name, "CAREERRELAY_RELAY__LISTEN": '["127.0.0.1:0"]'}
    ended = careerrelay("serve", "--config", create(tmp_path), environment=settings)
    assert ended.returncode == 2
    assert f"relay.run_as = {name!r}: {expected}" in ended.stderr


@needs_root
def test_store_that_the_user_cannot_write(next_hop: Hop, installation: Installation) -> None:
    """A store left behind by a command that was run as root is named, with what to do."""
    store = installation.folder / "careerrelay.db"
    store.touch(0o600)
    with daemon(
        installation.config,
        next_hop.port,
        settings=installation.settings,
        command=installation.command,
    ) as running:
        assert running.process.wait(WAIT_SECONDS) == 2
        text = running.wait_until_closed()
    assert f"{store}: belongs to root and 'nobody' may not write it; chown nobody it" in text


@needs_root
def test_key_that_only_root_reads(next_hop: Hop, installation: Installation) -> None:
    """One process starts with it, says what will not work, and keeps it when it reads again."""
    keys = installation.folder / "keys.json"
    os.chown(keys, 0, 0)
    with daemon(
        installation.config,
        next_hop.port,
        settings=installation.settings,
        command=installation.command,
    ) as running:
        running.wait_until_started()
        (line,) = running.lines("unreadable_at_reload")
        assert line["files"] == [str(keys)]
        running.reload()
        (line,) = running.wait_for("reload_failed")
        assert f"{keys}: Permission denied" in line["error"]
        running.send()
    assert b"r.example.jp" in next_hop.heard.wires[0]


@needs_root
def test_key_that_restarted_processes_cannot_read(
    next_hop: Hop, installation: Installation
) -> None:
    """Several processes do not start with a file that they could not read when started again."""
    keys = installation.folder / "keys.json"
    os.chown(keys, 0, 0)
    with daemon(
        installation.config,
        next_hop.port,
        processes=2,
        settings=installation.settings,
        command=installation.command,
    ) as running:
        assert running.process.wait(WAIT_SECONDS) == 2
        text = running.wait_until_closed()
    assert f"{keys}: 'nobody' (relay.run_as) may not read it" in text
