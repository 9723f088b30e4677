"""A Postfix of its own: the real thing on loopback ports, with a folder that goes with it.

Promises: nothing of the machine's own Postfix is read or written, several run side by side, and
after the block no process, socket or file is left. It needs root, as Postfix' master does. What a
test is about (services, settings) is given; what surrounds it (cleanup, queue, log) is here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.process import wait_for

DAEMONS = Path("/usr/lib/postfix/sbin")  # Where Debian's package puts them.
WAIT_SECONDS = 60.0  # A deadline, not an expectation: nothing here takes a second alone.
POLL_SECONDS = 0.02
STOP_SECONDS = 10.0
LINES_SHOWN = 30  # Of the log, when a test fails.

# As in Debian's master.cf, without the chroot.
SURROUNDINGS = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming"),
    *("maildrop", "pid", "private", "public", "saved", "trace"),
)


@dataclass(frozen=True, slots=True)
class Queued:
    """One recipient of a message in the queue, and why it is still there."""

    queue_name: str
    address: str
    delay_reason: str


class PostfixInstance:
    """A Postfix that can be stopped and started again; its queue stays meanwhile."""

    def __init__(self, folder: Path, hostname: str, services: str) -> None:
        self.folder = folder
        self.hostname = hostname
        self._services = services
        self._process: subprocess.Popen[bytes] | None = None

    def port(self, name: str) -> int:
        """Return the port of the service that logs as `postfix/<name>`."""
        found = re.search(
            rf"^\S*?(\d+) inet (?:(?!^\S).)*syslog_name=postfix/{name}\b",
            self._services,
            re.MULTILINE | re.DOTALL,
        )
        assert found is not None, f"no service logs as postfix/{name}"
        return int(found[1])

    def start(self) -> None:
        """Run until `stop`; return when all services listen."""
        # A session of its own: master ends its whole process group, which must not be ours.
        self._process = subprocess.Popen(
            [DAEMONS / "master", "-c", self.folder / "etc", "-d"], start_new_session=True
        )
        for port in re.findall(r"^\S*?(\d+) inet ", self._services, re.MULTILINE):
            wait_for(int(port), self._process)

    def stop(self) -> None:
        """Stop, and return when no process of it is left. Harmless when not running."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        process.wait(WAIT_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        # Its daemons ended by the same signal, or are about to.
        while _is_alive(process.pid):
            if time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS)

    def log(self) -> str:
        """Return what was logged since the folder was made."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Return when the condition is true; fail with the log when it is not in time."""
        assert self._process is not None
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited in vain for {what}; {self._last_words()}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(POLL_SECONDS)
                pytest.fail(f"Postfix ended with {code}; {self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(["Postfix' log ends:", *self.log().splitlines()[-LINES_SHOWN:]])

    def logged(self, pattern: str) -> re.Match[str]:
        """Return the first match of the pattern in the log, waiting for it."""
        self.until(f"/{pattern}/ in the log", lambda: re.search(pattern, self.log()) is not None)
        found = re.search(pattern, self.log())
        assert found is not None
        return found

    def queue(self) -> tuple[Queued, ...]:
        """Return what is in the queue, one for each recipient."""
        listed = self._run("postqueue", "-j")
        return tuple(
            Queued(message["queue_name"], recipient["address"], recipient.get("delay_reason", ""))
            for message in map(json.loads, listed.splitlines())
            for recipient in message["recipients"]
        )

    def setting(self, name: str) -> str:
        """Return the value of a setting of main.cf."""
        return self._run("postconf", "-h", name).strip()

    def reload(self) -> None:
        """Have it read its files again, as `postfix reload` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def flush(self) -> None:
        """Try to deliver all that waits, now."""
        self._run("postqueue", "-f")

    def submit(self, *arguments: str, message: bytes) -> None:
        """Hand over a message as programs on the machine itself do, with sendmail(1)."""
        subprocess.run(
            ["/usr/sbin/sendmail", "-C", self.folder / "etc", *arguments],
            input=message,
            check=True,
            timeout=WAIT_SECONDS,
        )

    def _run(self, command: str, *arguments: str) -> str:
        return subprocess.run(
            [f"/usr/sbin/{command}", "-c", self.folder / "etc", *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=WAIT_SECONDS,
        ).stdout


def _is_alive(group: int) -> bool:
    """Whether a process of the group runs; those that only wait to be collected do not count."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # Gone meanwhile.
            state, _parent, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


@contextmanager
def postfix_instance(
    hostname: str, services: str, settings: Mapping[str, str] | None = None
) -> Generator[PostfixInstance]:
    """Run a Postfix with these services (master.cf) and settings (main.cf) until the block ends.

    A line of `services` that defines a service of `SURROUNDINGS` anew takes its place.
    """
    _need_postfix()
    # Not pytest's folder: that is for its owner alone, and Postfix' daemons run as another user.
    with tempfile.TemporaryDirectory(prefix="postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _lay_out(folder, hostname, services, settings or {})
        instance = PostfixInstance(folder, hostname, services)
        try:
            instance.start()
            yield instance
        finally:
            instance.stop()


def _need_postfix() -> None:
    """Skip where Postfix cannot be run; in CI, fail."""
    reason = ""
    if not (DAEMONS / "master").exists():
        reason = "Postfix is not installed (Debian: postfix)"
    elif os.geteuid() != 0:
        reason = "only root can run a Postfix"
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def _lay_out(folder: Path, hostname: str, services: str, settings: Mapping[str, str]) -> None:
    """Write the configuration, and the folders with the owners that Postfix wants."""
    lines = {
        "compatibility_level": "3.6",
        "queue_directory": f"{folder}/spool",
        "data_directory": f"{folder}/data",
        "maillog_file": f"{folder}/log",
        "maillog_file_prefixes": str(folder),
        "myhostname": hostname,
        "mydestination": "",
        "mynetworks": "127.0.0.0/8",
        "inet_interfaces": "loopback-only",
        "inet_protocols": "ipv4",
        "alias_maps": "",
        "smtputf8_enable": "yes",
        # No name service: the machine of a test may have none, and nobody here needs it.
        "smtpd_peername_lookup": "no",
        "smtp_dns_support_level": "disabled",
        "smtp_host_lookup": "native",
    }
    etc = folder / "etc"
    etc.mkdir(mode=0o755)
    text = "".join(f"{key} = {value}\n" for key, value in (lines | dict(settings)).items())
    (etc / "main.cf").write_text(text, encoding="utf-8")
    os.utime(etc / "main.cf", (0, 0))  # Postfix waits while its file may still be written.
    given = {tuple(line.split()[:2]) for line in services.splitlines() if line[:1].strip()}
    around = [line for line in SURROUNDINGS.splitlines() if tuple(line.split()[:2]) not in given]
    (etc / "master.cf").write_text("\n".join([*around, services, ""]), encoding="utf-8")
    (folder / "spool").mkdir(mode=0o755)
    for queue in QUEUES:
        (folder / "spool" / queue).mkdir(mode=0o700)
        shutil.chown(folder / "spool" / queue, "root" if queue == "pid" else "postfix")
    (folder / "data").mkdir(mode=0o700)
    shutil.chown(folder / "data", "postfix")
