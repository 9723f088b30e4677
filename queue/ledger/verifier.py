#!/usr/bin/env python3
"""Check what Career Relay signed, with this file and Python 3.11 alone: nothing is installed.

    python verifier.py proof FILE.tlog-proof --key VKEY
    python verifier.py log EXPORT.jsonl --key VKEY CHECKPOINT...
    python verifier.py consistency OLD NEW PROOF --key VKEY

`proof`: the entry in the file is in the log that was signed. `log`: all checkpoints you kept
(notes, or saved mails that hold one) are about this copy of the log. `consistency`: the log of NEW
only appends to that of OLD. What the entries are worth is told by the file beside this, recount.py.
VKEY is the line `name+id+key` that you were given, by another way than the log. Ends with 0: it
holds; 1: it does not, and the line says where; 2: wrong use. This file shares no code with the
software it checks. RFC 8032 §5.1.7, RFC 6962 §2.1, C2SP signed-note, tlog-checkpoint, tlog-proof.
"""

from __future__ import annotations

import argparse
import base64
import email
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

FILE_MAX_BYTES = 1 << 22  # A mail of ours is some kilobytes, and gateways add pictures to it.
NOTE_MAX_BYTES = 1 << 17  # C2SP signed-note: at least sixteen signatures of up to 5 kB.
ENTRY_MAX_BYTES = 8192  # docs/formats.md, "Events".
PATH_MAX = 63  # Hashes of a proof: sizes are below 2^63.


class Refused(argparse.ArgumentTypeError):
    """Something does not hold; the text says what and where."""


# ------------------------------------------------------------------------ Ed25519 (RFC 8032 §5.1)

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]  # X, Y, Z and T of §5.1.4.


def add(p: Point, q: Point) -> Point:
    """Return the sum of two points (§5.1.4); it holds for equal points too."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    """Return the point taken so many times."""
    total = (0, 1, 1, 0)
    for bit in f"{number:b}":
        total = add(total, total)
        total = add(total, point) if bit == "1" else total
    return total


def pack(point: Point) -> bytes:
    """Return the 32 bytes of a point (§5.1.2)."""
    x, y = (each * pow(point[2], -1, P) % P for each in point[:2])
    return (y | (x & 1) << 255).to_bytes(32, "little")


def unpack(data: bytes) -> Point:
    """Return the point of 32 bytes (§5.1.3), in their one spelling."""
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x & 1 != number >> 255:
        x = P - x
    point = (x, y, 1, x * y % P)
    if x * x % P != square or pack(point) != data:
        raise Refused("not a point of Ed25519")
    return point


BASE = unpack(b"\x58" + b"\x66" * 31)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is the key's over the message (§5.1.7, without cofactor)."""
    x, y, z, t = unpack(public)
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    minus = times(challenge, (P - x, y, z, P - t))
    return pack(add(times(scalar, BASE), minus)) == signature[:32]


# --------------------------------------------------------------------- the tree (RFC 6962 §2.1)


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of an entry."""
    return hashlib.sha256(b"\x00" + body).digest()


def join(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_by_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root of the tree if the leaf is at this index (PATH of §2.1.1)."""
    if size == 1 and not path:
        return leaf
    if size == 1 or not path:
        raise Refused("the proof has the wrong number of hashes")
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return join(root_by_inclusion(leaf, index, left, path[:-1]), path[-1])
    return join(path[-1], root_by_inclusion(leaf, index - left, size - left, path[:-1]))


def roots_by_consistency(
    old: int, new: int, path: list[bytes], known: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Return both trees' roots by the proof (SUBPROOF of §2.1.2), the old one being known first."""
    if old == new and len(known) + len(path) == 1:
        return (*known, *path)[0], (*known, *path)[0]
    if old == new or not path:
        raise Refused("the proof has the wrong number of hashes")
    left = 1 << (new - 1).bit_length() - 1
    if old <= left:
        before, after = roots_by_consistency(old, left, path[:-1], known)
        return before, join(after, path[-1])
    before, after = roots_by_consistency(old - left, new - left, path[:-1], ())
    return join(path[-1], before), join(path[-1], after)


# --------------------------------------------------------------------- notes (C2SP signed-note)


class Key(NamedTuple):
    """A verifier key: whose signatures count."""

    name: str
    id: bytes
    public: bytes


class Checkpoint(NamedTuple):
    """What was signed: the log `origin` had `size` entries and this root."""

    origin: str
    size: int
    root: bytes


def decode(text: str) -> bytes:
    """Return what base64 in its one spelling encodes."""
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if not found or base64.b64encode(found).decode() != text:
        raise Refused(f"not base64: {text[:60]!r}")
    return found


def whole(text: str) -> int:
    """Return a size or index in its one spelling."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) >= 1 << PATH_MAX:
        raise Refused(f"not a size or index: {text[:60]!r}")
    return int(text)


def read_key(text: str) -> Key:
    """Return the verifier key of a line `name+id+key`."""
    name, key_id, encoded = (*text.strip().split("+", 2), "", "")[:3]
    blob = decode(encoded)
    found = hashlib.sha256(name.encode("utf-8", "replace") + b"\n" + blob).digest()[:4]
    if not name or re.search(r"\s", name) or key_id != found.hex():
        raise Refused("damaged on its way: the id does not fit the name and the key")
    # A key of small order is nobody's: anything is signed with it.
    if len(blob) != 33 or blob[0] != 1 or times(8, unpack(blob[1:]))[0] == 0:
        raise Refused("not an Ed25519 key (type 1)")
    return Key(name, found, blob[1:])


def open_checkpoint(note: bytes, key: Key) -> Checkpoint:
    """Return the checkpoint of a note that the key signed for the log of its name."""
    body, gap, signatures = note.decode("utf-8", "ignore").rpartition("\n\n")
    is_utf8 = f"{body}{gap}{signatures}".encode() == note
    if len(note) > NOTE_MAX_BYTES or not (gap and is_utf8) or re.search(rb"[\0-\t\v-\x1f]", note):
        raise Refused("not a signed note")
    text, is_ours = (body + "\n").encode(), False
    for line in signatures.removesuffix("\n").split("\n"):
        found = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        if not found:
            raise Refused(f"not a line of a signature: {line[:60]!r}")
        signature = decode(found[2])
        if found[1] == key.name and signature[:4] == key.id:
            if not is_signed(key.public, text, signature[4:]):
                raise Refused(f"the signature of {key.name} is false: the text was changed")
            is_ours = True
    if not is_ours:
        raise Refused(f"not signed with the key {key.name}+{key.id.hex()}")
    origin, *lines = body.split("\n")
    if origin != key.name or len(lines) < 2 or "" in lines or len(decode(lines[1])) != 32:
        raise Refused(f"what was signed is not a checkpoint of {key.name}")
    return Checkpoint(origin, whole(lines[0]), decode(lines[1]))


def cut_proof(data: bytes) -> tuple[list[str], bytes]:
    """Return the lines above the first empty line, and the note below it."""
    head, gap, note = data.partition(b"\n\n")
    if not gap or not head.isascii():
        raise Refused("not a proof: ASCII and then an empty line were expected")
    return head.decode().split("\n"), note


def read_path(lines: list[str]) -> list[bytes]:
    """Return the hashes of a proof, one a line."""
    if len(lines) > PATH_MAX or any(len(decode(line)) != 32 for line in lines):
        raise Refused(f"a proof is at most {PATH_MAX} hashes of 32 bytes")
    return [decode(line) for line in lines]


# -------------------------------------------------------------------------- proofs and copies


def check_proof(data: bytes, key: Key) -> tuple[Checkpoint, int, bytes]:
    """Return the checkpoint, the index and the entry of a .tlog-proof that brings its entry."""
    lines, note = cut_proof(data)
    found = re.match(r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (\S+)$", "\n".join(lines), re.M)
    if not found:
        raise Refused("not a tlog-proof that brings its entry (in the line `extra`)")
    entry, index, path = decode(found[1]), whole(found[2]), read_path(lines[3:])
    checkpoint = open_checkpoint(note, key)
    if index >= checkpoint.size:
        raise Refused(f"there is no entry {index} in a log of {checkpoint.size}")
    if root_by_inclusion(leaf_hash(entry), index, checkpoint.size, path) != checkpoint.root:
        raise Refused(f"this is not entry {index} of the log that was signed")
    return checkpoint, index, entry


def check_consistency(old: Checkpoint, new: Checkpoint, data: bytes) -> None:
    """Check a proof, in the form of a request to a C2SP tlog-witness."""
    lines, _ = cut_proof(data)
    if lines[0] != f"old {old.size}" or not 0 < old.size <= new.size:
        raise Refused(f"the proof is not from size {old.size} up: it begins {lines[0][:60]!r}")
    roots = roots_by_consistency(old.size, new.size, read_path(lines[1:]), [old.root])
    if roots != (old.root, new.root):
        raise Refused(f"FORK: the log of {new.size} entries is not that of {old.size} continued")


def read_file(name: str) -> bytes:
    """Return a file, which may not be large."""
    with open(name, "rb") as file:
        data = file.read(FILE_MAX_BYTES + 1)
    if len(data) > FILE_MAX_BYTES:
        raise Refused(
            f"{name}: over {FILE_MAX_BYTES} bytes: not a checkpoint, proof or mail of ours"
        )
    return data


def texts_of(data: bytes) -> Iterator[str]:
    """Yield the texts in which a note may stand: the file as it is, and the parts of a mail."""
    yield data.decode("utf-8", "replace")
    for part in email.message_from_bytes(data).walk():
        payload: Any = part.get_payload(decode=True) or b""
        try:
            yield payload.decode(part.get_content_charset("utf-8"), "replace")
        except LookupError:  # A charset that Python does not know.
            yield payload.decode("utf-8", "replace")


def find_checkpoints(name: str, key: Key) -> list[Checkpoint]:
    """Return the checkpoints of the key's log in a note, a saved mail, or the text of one."""
    data, texts, notes = read_file(name), list[str](), set[bytes]()
    try:
        texts.extend(texts_of(data))
    except Exception:  # noqa: S110 - On damaged mail the library raises almost anything.
        pass
    pattern = rf"^{re.escape(key.name)}\n[0-9]+\n\S+\n(?:[^\n]+\n){{0,9}}\n(?:— [^\n]+\n){{1,99}}"
    for text in texts:
        # Japanese charsets have another dash; no dash is part of what is signed.
        clean = re.sub(r"\r\n?", "\n", text).replace("― ", "— ") + "\n"
        notes.update(match[0].encode() for match in re.finditer(pattern, clean, re.M))
    if not notes:
        raise Refused(f"{name}: holds no checkpoint of {key.name}")
    try:
        return sorted({open_checkpoint(note, key) for note in notes})
    except Refused as error:
        raise Refused(f"{name}: {error}") from None


def read_entries(name: str) -> Iterator[bytes]:
    """Yield the entries of an export, one a line: the bytes that were hashed."""
    with open(name, "rb") as file:
        index = 0
        while line := file.readline(ENTRY_MAX_BYTES + 3):
            entry = line.rstrip(b"\r\n")  # A copy may have gone through Windows.
            if not 0 < len(entry) <= ENTRY_MAX_BYTES:
                raise Refused(f"{name}: entry {index} is empty or over {ENTRY_MAX_BYTES} bytes")
            yield entry
            index += 1


def check_log(name: str, key: Key, files: Sequence[str]) -> tuple[int, int]:
    """Return of a copy of a log how many entries are signed for and how many there are."""
    signed: dict[int, tuple[bytes, str]] = {}
    for file in files:
        for _, size, root in find_checkpoints(file, key):
            if signed.setdefault(size, (root, file))[0] != root:
                raise Refused(f"FORK: {file} and {signed[size][1]} sign two logs of size {size}")
    good, size = 0, 0
    subtrees: list[bytes] = []  # The perfect ones, left first: one for each bit of the size.
    for entry in read_entries(name):
        current, bits = leaf_hash(entry), size
        while bits & 1:
            current, bits = join(subtrees.pop(), current), bits >> 1
        subtrees.append(current)
        size += 1
        if size in signed:
            for left in reversed(subtrees[:-1]):
                current = join(left, current)
            if signed[size][0] != current:
                where = (
                    f"of entries {good} to {size - 1} one or more was changed, left out or put in"
                )
                raise Refused(f"{name}: not the log signed in {signed[size][1]}: {where}")
            good = size
    if max(signed) > size:
        raise Refused(f"{name}: {size} entries, but {signed[max(signed)][1]} is for {max(signed)}")
    return good, size


# --------------------------------------------------------------------------- the command line


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, or end with 2 and how it is used."""
    parser = argparse.ArgumentParser(prog="verifier.py", description="See the head of this file.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="proof|log|consistency")
    for command, *names in (("proof", "FILE"), ("log", "EXPORT"), ("consistency", "OLD", "NEW")):
        one = commands.add_parser(command)
        one.add_argument("--key", type=read_key, required=True, metavar="VKEY")
        for name in names:
            one.add_argument(name)
        if command != "proof":
            count, shown = ("+", "CHECKPOINT") if command == "log" else (1, "PROOF")
            one.add_argument("more", nargs=count, metavar=shown)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> str:
    """Return what is proved."""
    key: Key = options.key
    if options.command == "proof":
        checkpoint, index, entry = check_proof(read_file(options.FILE), key)
        shown = "".join(c if c.isprintable() else "?" for c in entry.decode("utf-8", "replace"))
        return f"verified: entry {index} of {key.name}, signed at size {checkpoint.size}:\n{shown}"
    if options.command == "log":
        good, size = check_log(options.EXPORT, key, options.more)
        return f"verified: {options.EXPORT}: {good} of {size} entries of {key.name} as signed"
    old, new = (find_checkpoints(name, key)[-1] for name in (options.OLD, options.NEW))
    check_consistency(old, new, read_file(options.more[0]))
    return f"verified: {key.name} of size {new.size} continues that of size {old.size}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = read_arguments(arguments)
    try:
        print(run(options))
    except Refused as error:
        print(f"NOT VERIFIED: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
