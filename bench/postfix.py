"""Postfix with alterMIME as a pipe filter: an instance of its own that leaves nothing behind.

The filter is the simple one of Postfix' FILTER_README: a script that alterMIME works for and that
hands the letter back with `sendmail`. alterMIME leaves texts in base64 as they are, with each
of its options; that work it is spared. Needs root, since Postfix' master does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from grp import getgrnam
from pathlib import Path
from pwd import getpwnam

from load import Missing
from peers import NOTE, NOTE_LINK, SIZE_MAX_BYTES, Server

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/postfix/sbin"
DAEMONS = ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")
FILES_OF_THE_PACKAGE = ("postfix-files", "postfix-script", "post-install", "dynamicmaps.cf")
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming")

MAIN = """compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = {commands}
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.example.jp
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:{sink}
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
message_size_limit = {size}
mailbox_size_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
"""

MASTER = """127.0.0.1:{port} inet n - n - - smtpd -o content_filter=filter:dummy
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
filter unix - n n - 20 pipe
  flags=Rq user=nobody null_sender=
  argv={folder}/filter -f ${{sender}} -- ${{recipient}}
"""

FILTER = """#!/bin/sh
# After FILTER_README: alterMIME changes a file, sendmail takes it in again.
cd {folder}/work || exit 75
trap "rm -f in.$$" 0 1 2 3 15
cat > in.$$ || exit 75
altermime --input=in.$$ --disclaimer={folder}/note.txt \\
    --disclaimer-html={folder}/note.html || exit 75
{commands}/sendmail -G -i "$@" < in.$$
exit $?
"""


class Postfix(Server):
    """Postfix, alterMIME behind it as `content_filter`, and the sink as relayhost.

    It answers 250 when the letter is in its queue, not when it has arrived: its delay is that of
    one queue file, and its rate is counted at the next hop.
    """

    name = "Postfix + alterMIME"
    is_live = False

    def prepare(self) -> list[str]:
        """Write the instance and return the command that runs it in the foreground.

        In a mount namespace of its own its configuration lies over /etc/postfix: `sendmail` takes
        none from elsewhere for other users than root. The machine's own files are not touched.
        """
        self._look_for_programs()
        self._write()
        over = f"mount --bind {self.folder / 'etc'} /etc/postfix"
        program = shutil.which("postfix", path=PLACES)
        return ["unshare", "--mount", "sh", "-c", f"{over} && exec {program} start-fg"]

    def _look_for_programs(self) -> None:
        for program, package in (("postfix", "postfix"), ("altermime", "altermime")):
            if shutil.which(program, path=PLACES) is None:
                raise Missing(f"{program} is missing: apt-get install {package}")
        probe = ["unshare", "--mount", "true"]
        if os.geteuid() != 0:
            raise Missing("Postfix' master runs as root only: run the benchmark as root for it")
        if subprocess.run(probe, capture_output=True).returncode:
            raise Missing("no mount namespace is to be had here (unshare --mount)")

    def _write(self) -> None:
        folder, etc, spool = self.folder, self.folder / "etc", self.folder / "spool"
        values = {
            "folder": folder,
            "commands": Path(str(shutil.which("postfix", path=PLACES))).parent,
            "daemons": next(place for place in DAEMONS if Path(place, "master").exists()),
            "sink": self.sink_port,
            "port": self.port,
            "size": SIZE_MAX_BYTES,
        }
        owner, drop = getpwnam("postfix").pw_uid, getgrnam("postdrop").gr_gid
        for path in (etc, spool, spool / "pid"):
            path.mkdir()
        for name in (*QUEUES, "private", "saved", "trace"):
            self._folder(spool / name, 0o700, owner)
        self._folder(folder / "data", 0o700, owner)
        self._folder(spool / "maildrop", 0o1730, owner, drop)
        self._folder(spool / "public", 0o710, owner, drop)
        self._folder(folder / "work", 0o700, getpwnam("nobody").pw_uid)
        for name in FILES_OF_THE_PACKAGE:
            if (source := Path("/etc/postfix", name)).exists():
                shutil.copy(source, etc)
        (etc / "main.cf").write_text(MAIN.format(**values))
        (etc / "master.cf").write_text(MASTER.format(**values))
        (folder / "note.txt").write_text(f"{NOTE}\n{NOTE_LINK}\n")
        (folder / "note.html").write_text(f"<p>{NOTE} <a href='{NOTE_LINK}'>{NOTE_LINK}</a></p>\n")
        (folder / "filter").write_text(FILTER.format(**values))
        (folder / "filter").chmod(0o755)

    def _folder(self, path: Path, mode: int, owner: int, group: int = -1) -> None:
        path.mkdir()
        path.chmod(mode)
        os.chown(path, owner, group)

    def version(self) -> str:
        """Return the versions of both."""
        command = [str(shutil.which("postconf", path=PLACES)), "-h", "mail_version"]
        postfix = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        program = str(shutil.which("altermime", path=PLACES))
        said = subprocess.run([program, "--version"], capture_output=True, text=True)
        number = next(
            (word for word in (said.stdout + said.stderr).split() if word[:2] == "v0"), "?"
        )
        return f"Postfix {postfix}, alterMIME {number}"
