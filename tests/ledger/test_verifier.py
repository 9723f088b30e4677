"""The auditor's verifier: published vectors, forgeries, mails, and bytes that mean it no good."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import verifier
from ledger.checkpoint import Checkpoint, LogKey, sign_checkpoint, verifier_key
from ledger.log import consistency_proof, inclusion_proof, leaf_hash, root
from ledger.proofs import encode_consistency, encode_inclusion
from ledger.verifier import Refused
from tests.ledger.parts import KEY
from tests.ledger.test_log import ENTRIES, ROOTS, bodies, grow, naive_root

ORIGIN = "r.example.jp/aozora"
VKEY = verifier_key(ORIGIN, KEY.public)
TRUSTED = verifier.read_key(VKEY)

# RFC 8032 §7.1: TEST 1, 2, 3 and SHA(abc): public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]

# The nodes of the tree over test_log.ENTRIES, by level: github.com/transparency-dev/merkle,
# testonly/constants.go (NodeHashes). They are those of Certificate Transparency's own tests.
NODES = [
    [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    ],
    [
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ],
    [
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
]

# Inclusion: entry, size, path as (level, index). Consistency: sizes and path. Worked out on paper
# from the figures of RFC 6962 §2.1.3; the hashes are those above.
INCLUSIONS: list[tuple[int, int, list[tuple[int, int]]]] = [
    (0, 1, []),
    (0, 8, [(0, 1), (1, 1), (2, 1)]),
    (5, 8, [(0, 4), (1, 3), (2, 0)]),
    (2, 3, [(1, 0)]),
    (1, 5, [(0, 0), (1, 1), (0, 4)]),
]
CONSISTENCIES: list[tuple[int, int, list[tuple[int, int]]]] = [
    (1, 1, []),
    (1, 8, [(0, 1), (1, 1), (2, 1)]),
    (6, 8, [(1, 2), (1, 3), (2, 0)]),
    (2, 5, [(1, 1), (0, 4)]),
    (7, 8, [(0, 6), (0, 7), (1, 2), (2, 0)]),
]

# golang.org/x/mod, sumdb/note/note_test.go: a note of the implementation that the format is from.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""  # noqa: E501 - one line of the format.


def node(level: int, index: int) -> bytes:
    """Return a published node."""
    return bytes.fromhex(NODES[level][index])


def sign(size: int, top: bytes, key: LogKey = KEY, origin: str = ORIGIN) -> bytes:
    """Return a note."""
    return sign_checkpoint(Checkpoint(origin, size, top), key)


def proof_of(entries: list[bytes], index: int, key: LogKey = KEY) -> bytes:
    """Return the proof of an entry in a log of these."""
    frontier, read = grow(entries)
    path = inclusion_proof(index, len(entries), read)
    return encode_inclusion(index, path, entries[index], sign(len(entries), root(frontier), key))


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_vectors_of_rfc_8032(public: str, message: str, signature: str) -> None:
    """The RFC's signatures are good, and no longer so with a bit changed."""
    key, text, good = (bytes.fromhex(each) for each in (public, message, signature))
    Ed25519PublicKey.from_public_bytes(key).verify(good, text)
    assert verifier.is_signed(key, text, good)
    assert not verifier.is_signed(key, text + b"x", good)
    for place in range(0, 512, 37):
        changed = bytearray(good)
        changed[place // 8] ^= 1 << place % 8
        assert not verifier.is_signed(key, text, bytes(changed))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=99), st.integers(0, 511))
@settings(max_examples=40, deadline=None)
def test_signatures_are_judged_as_by_openssl(seed: bytes, message: bytes, place: int) -> None:
    """Good ones are good, and of changed ones nothing is taken that OpenSSL refuses."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), bytearray(private.sign(message))
    assert verifier.is_signed(public, message, bytes(signature))
    signature[place // 8] ^= 1 << place % 8
    with pytest.raises(InvalidSignature):
        private.public_key().verify(bytes(signature), message)
    assert not verifier.is_signed(public, message, bytes(signature))


def test_a_signature_has_one_spelling() -> None:
    """RFC 8032 §5.1.7: a scalar of the order of the group or more is refused."""
    key, text, good = (bytes.fromhex(each) for each in RFC_8032[1])
    scalar = int.from_bytes(good[32:], "little") + verifier.ORDER
    assert not verifier.is_signed(key, text, good[:32] + scalar.to_bytes(32, "little"))
    assert not verifier.is_signed(key, text, good + b"\0")
    assert not verifier.is_signed(key, text, b"")


@pytest.mark.parametrize(
    "public",
    [
        "01" + "00" * 31,  # The neutral element: it signs anything.
        "ec" + "ff" * 30 + "7f",  # Order two.
        "00" * 32,  # Order four.
        "01" + "00" * 30 + "80",  # §5.1.3: minus nothing.
        "ee" + "ff" * 30 + "7f",  # 1 once more, over the prime.
        "02" + "00" * 31,  # Not on the curve.
        "58" + "66" * 30,  # Too short.
    ],
)
def test_keys_that_are_none(public: str) -> None:
    """What is not a point, is written otherwise than §5.1.2 does, or has small order, is no key."""
    with pytest.raises(Refused):
        verifier.read_key(verifier_key("log", bytes.fromhex(public)))


def test_keys_are_checked_by_their_id() -> None:
    """Any changed character of a verifier key is noticed."""
    assert verifier.read_key(PETER).name == "PeterNeumann"
    for place in range(len(PETER)):
        changed = PETER[:place] + chr(ord(PETER[place]) ^ 1) + PETER[place + 1 :]
        with pytest.raises(Refused):
            verifier.read_key(changed)
    # Of note_test.go: the wrong length, and an unknown algorithm, both with an id that fits.
    for text in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ):
        with pytest.raises(Refused):
            verifier.read_key(text)


def test_a_note_of_the_go_implementation() -> None:
    """Its signature is good, its text is no checkpoint; with another text it is false."""
    key = verifier.read_key(PETER)
    with pytest.raises(Refused, match="what was signed is not a checkpoint"):
        verifier.open_checkpoint(PETERS_NOTE.encode(), key)
    with pytest.raises(Refused, match="the text was changed"):
        verifier.open_checkpoint(PETERS_NOTE.replace("problem", "Problem").encode(), key)


@pytest.mark.parametrize(("index", "size", "path"), INCLUSIONS)
def test_inclusion_by_published_nodes(index: int, size: int, path: list[tuple[int, int]]) -> None:
    """The path leads to the published root, by both implementations."""
    hashes, expected = [node(*place) for place in path], bytes.fromhex(ROOTS[size])
    leaf = verifier.leaf_hash(ENTRIES[index])
    assert leaf == node(0, index)
    assert verifier.root_by_inclusion(leaf, index, size, hashes) == expected
    assert inclusion_proof(index, size, grow(ENTRIES)[1]) == hashes


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCIES)
def test_consistency_by_published_nodes(old: int, new: int, path: list[tuple[int, int]]) -> None:
    """The path leads to both published roots, by both implementations."""
    hashes, roots = [node(*place) for place in path], [bytes.fromhex(each) for each in ROOTS]
    found = verifier.roots_by_consistency(old, new, hashes, [roots[old]])
    assert found == (roots[old], roots[new])
    assert consistency_proof(old, new, grow(ENTRIES)[1]) == hashes


@given(bodies, st.data())
def test_every_proof_of_ours_holds_there(entries: list[bytes], data: st.DataObject) -> None:
    """What `ledger.log` makes, the verifier agrees to; cut or lengthened, it does not."""
    frontier, read = grow(entries)
    new = len(entries)
    old = data.draw(st.integers(1, new))
    index = data.draw(st.integers(0, new - 1))
    path = inclusion_proof(index, new, read)
    assert verifier.root_by_inclusion(leaf_hash(entries[index]), index, new, path) == root(frontier)
    steps, before = consistency_proof(old, new, read), naive_root(entries[:old])
    assert verifier.roots_by_consistency(old, new, steps, [before]) == (before, root(frontier))
    for longer in ([*path, before], path[1:]):
        if longer != path:
            with pytest.raises(Refused):
                verifier.root_by_inclusion(leaf_hash(entries[index]), index, new, longer)
    first, last = (
        verifier.Checkpoint("log", size, top)
        for size, top in ((old, before), (new, root(frontier)))
    )
    verifier.check_consistency(first, last, encode_consistency(old, steps, b"note"))
    for wrong in ([*steps, before], steps[1:]):
        if wrong != steps:
            with pytest.raises(Refused):
                verifier.check_consistency(first, last, encode_consistency(old, wrong, b"note"))
    for one, two in ((first._replace(root=bytes(32)), last), (first, last._replace(root=before))):
        if (one, two) != (first, last):
            with pytest.raises(Refused):
                verifier.check_consistency(one, two, encode_consistency(old, steps, b"note"))


def test_a_point_has_one_spelling() -> None:
    """RFC 8032 §5.1.3: a y of the prime or more is none, though it names a point of large order."""
    for y in (3, 4, 5, 6, 9, 10, 14, 15, 16, 18):  # Those below 19 that are on the curve.
        verifier.read_key(verifier_key("log", y.to_bytes(32, "little")))
        with pytest.raises(Refused, match="not a point"):
            verifier.read_key(verifier_key("log", (y + verifier.P).to_bytes(32, "little")))


def test_base64_has_one_spelling() -> None:
    """The unused bits of the last character are zero: in a hash, a signature, and the entry."""
    good = proof_of([b"one", b"two", b"three and four"], 2)
    lines = good.split(b"\n")
    changed = 0
    for place, line in enumerate(lines):
        if not line.endswith(b"="):
            continue
        stem = line.rstrip(b"=")
        # The next letter differs in the last bit, which padding leaves unused.
        other = stem[:-1] + bytes([stem[-1] + 1]) + line[len(stem) :]
        with pytest.raises(Refused, match=r"not base64|text was changed"):
            verifier.check_proof(b"\n".join([*lines[:place], other, *lines[place + 1 :]]), TRUSTED)
        changed += 1
    assert changed == 4


@given(st.integers(0, 7), st.data())
@settings(max_examples=300, deadline=None)
def test_no_changed_proof_passes(index: int, data: st.DataObject) -> None:
    """A proof with any byte changed, or cut off anywhere but its last line end, is refused."""
    proof = proof_of([b"entry %d" % number for number in range(8)], index)
    assert verifier.check_proof(proof, TRUSTED)[1:] == (index, b"entry %d" % index)
    changed = bytearray(proof)
    changed[data.draw(st.integers(0, len(proof) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused):
        verifier.check_proof(bytes(changed), TRUSTED)
    with pytest.raises(Refused):
        verifier.check_proof(proof[: data.draw(st.integers(0, len(proof) - 2))], TRUSTED)


def test_what_proves_something_else_is_refused() -> None:
    """Another key, another log's checkpoint, an entry beyond the size, a witness besides."""
    entries = [b"one", b"two", b"three"]
    good = proof_of(entries, 1)
    other = LogKey(bytes(32))
    with pytest.raises(Refused, match="not signed with the key"):
        verifier.check_proof(proof_of(entries, 1, other), TRUSTED)
    body = sign(3, naive_root(entries), origin="r.example.jp/midori").partition(b"\n\n")[0] + b"\n"
    signature = base64.b64encode(TRUSTED.id + KEY.sign(body)).decode()
    with pytest.raises(Refused, match="not a checkpoint"):
        verifier.open_checkpoint(body + f"\n— {ORIGIN} {signature}\n".encode(), TRUSTED)
    with pytest.raises(Refused, match="no entry 3 in a log of 3"):
        verifier.check_proof(good.replace(b"index 1", b"index 3"), TRUSTED)
    with pytest.raises(Refused, match="brings its entry"):
        verifier.check_proof(good.replace(b"extra ", b"other "), TRUSTED)
    # C2SP signed-note: signatures of keys that we do not know count for nothing.
    witness = base64.b64encode(bytes(68)).decode()
    more = good + f"— witness.example/w1 {witness}\n".encode()
    assert verifier.check_proof(more, TRUSTED) == verifier.check_proof(good, TRUSTED)


def test_sixteen_witnesses_fit() -> None:
    """C2SP signed-note: at least sixteen signatures of up to five kilobytes are taken."""
    line = f"— witness.example/w1 {base64.b64encode(bytes(5000)).decode()}\n".encode()
    assert verifier.open_checkpoint(sign(1, bytes(32)) + 16 * line, TRUSTED).size == 1
    with pytest.raises(Refused, match="not a signed note"):
        verifier.open_checkpoint(sign(1, bytes(32)) + 64 * line, TRUSTED)
