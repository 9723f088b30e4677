"""What a server costs while it runs: processor time and memory of its process and all below it.

Read from /proc, so from outside: what is measured does not know it. Linux only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Behind the name of the program in /proc/PID/stat, proc(5): field 4 is the parent, 14 to 17 are the
# times of the process and of its children that have ended, in ticks.
PARENT, TIMES = 1, slice(11, 15)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of some processes; `pss` divides a shared page among those who share it."""

    rss_bytes: int
    pss_bytes: int


def tree(root: int) -> list[int]:
    """Return the process and all its descendants that run."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[PARENT]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def cpu_seconds(root: int) -> float:
    """Return the processor time that the tree has used, with that of children that have ended."""
    ticks = 0
    for process in tree(root):
        ticks += sum(int(field) for field in _stat(process)[TIMES])
    return ticks / TICKS_PER_SECOND


def forget_peaks(root: int) -> None:
    """Let the kernel count each process's peak of memory anew."""
    for process in tree(root):
        try:
            (PROC / str(process) / "clear_refs").write_text("5")  # proc(5): resets VmHWM.
        except OSError:
            continue  # It has ended, or it is another user's: then its whole life counts.


def peak_bytes(root: int) -> int:
    """Return the sum of the peaks of all processes that run; they need not have come together."""
    return sum(_kilobytes(process, "status", "VmHWM") for process in tree(root)) * 1024


def memory(root: int) -> Memory:
    """Return what the tree holds at this moment."""
    processes = tree(root)
    return Memory(
        1024 * sum(_kilobytes(process, "status", "VmRSS") for process in processes),
        1024 * sum(_kilobytes(process, "smaps_rollup", "Pss") for process in processes),
    )


def _stat(process: int) -> list[str]:
    """Return the fields behind the name; none if the process has ended."""
    try:
        text = (PROC / str(process) / "stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _kilobytes(process: int, file: str, name: str) -> int:
    try:
        lines = (PROC / str(process) / file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), 0)
