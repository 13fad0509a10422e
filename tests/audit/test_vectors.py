"""Merkle tree and signed notes compared with what others published, so that others can check our
tree heads.
"""

import base64
import random

import pytest

from gateway.audit.merkle import Tree
from gateway.audit.signed_note import (
    NoteError,
    SignerKey,
    TreeHead,
    UnknownSigner,
    VerifierKey,
    find_notes,
    open_note,
)
from tests.audit.reference import merkle_tree_hash

# The leaves and roots of the reference implementation of Certificate Transparency, for 0 to 8
# leaves.
LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

# The example of the documentation of golang.org/x/mod/sumdb/note.
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your"
    " problem is.\n"
)
GO_LINE = (
    "— PeterNeumann"
    " x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ry"
    "yBwJnAM=\n"
)

# The example of https://c2sp.org/signed-note.
SPEC_VERIFIER = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_LINE = (
    "— example.com/foo"
    " Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72"
    "IneyaQM=\n"
)

# A tree head that the Go checksum database signed; https://c2sp.org/tlog-checkpoint shows it under
# another name.
REAL_VERIFIER = VerifierKey.parse(
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
)
REAL_TEXT = "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
REAL_NOTE = (
    REAL_TEXT + "\n— sum.golang.org"
    " Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeM"
    "cTOAYQ8=\n"
)


def tree_of(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


@pytest.mark.must("CP-3")
@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert ROOTS[size] == tree_of([bytes.fromhex(leaf) for leaf in LEAVES[:size]]).root().hex()


def test_the_root_is_the_recursive_one_at_every_size() -> None:
    rng = random.Random(6962)
    leaves = [rng.randbytes(rng.randrange(40)) for _ in range(300)]
    tree = Tree()
    for size, leaf in enumerate(leaves, 1):
        tree.append(leaf)

        assert merkle_tree_hash(leaves[:size]) == tree.root()


def test_a_copy_grows_by_itself() -> None:
    tree = tree_of([b"a", b"b", b"c"])
    other = tree.copy()
    other.append(b"d")

    assert (3, merkle_tree_hash([b"a", b"b", b"c"])) == (tree.size, tree.root())
    assert (4, merkle_tree_hash([b"a", b"b", b"c", b"d"])) == (other.size, other.root())


@pytest.mark.must("CP-5")
def test_our_signature_is_the_one_of_go() -> None:
    key = SignerKey.parse(GO_SIGNER)

    assert GO_TEXT + "\n" + GO_LINE == key.sign(GO_TEXT)
    assert (GO_VERIFIER, GO_SIGNER) == (str(key.verifier), key.secret_text())
    assert GO_TEXT == open_note(GO_TEXT + "\n" + GO_LINE, VerifierKey.parse(GO_VERIFIER))
    assert "AYEK" not in repr(key)


def test_the_example_of_the_specification_verifies() -> None:
    key = VerifierKey.parse(SPEC_VERIFIER)

    assert ("530d903a", SPEC_VERIFIER) == (key.key_id.hex(), str(key))
    assert "This is an example message.\n" == open_note(
        "This is an example message.\n\n" + SPEC_LINE, key
    )


def test_a_real_tree_head_verifies() -> None:
    head = TreeHead.parse(open_note(REAL_NOTE, REAL_VERIFIER))

    assert ("go.sum database tree", 20852163) == (head.origin, head.size)
    assert REAL_TEXT == str(head)


def test_a_note_with_other_signatures_is_read_and_they_are_left_alone() -> None:
    ours = SignerKey.new("till/city")
    note = ours.sign(REAL_TEXT) + REAL_NOTE.rpartition("\n\n")[2]

    assert REAL_TEXT == open_note(note, ours.verifier) == open_note(note, REAL_VERIFIER)
    with pytest.raises(UnknownSigner, match="till/city"):
        open_note(note, SignerKey.new("till/city").verifier)


@pytest.mark.must("CP-14")
def test_every_changed_character_is_noticed() -> None:
    for at, char in enumerate(REAL_NOTE):
        for other in {"A", "1", "\n", chr(ord(char) ^ 1)} - {char}:
            with pytest.raises(NoteError):
                TreeHead.parse(
                    open_note(REAL_NOTE[:at] + other + REAL_NOTE[at + 1 :], REAL_VERIFIER)
                )


@pytest.mark.parametrize(
    "text",
    [
        "", "origin\n1\n", REAL_TEXT[:-1], REAL_TEXT.replace("2085", "02085"),
        REAL_TEXT.replace("20852163", "-1"), REAL_TEXT.replace("20852163", "9" * 20),
        REAL_TEXT.replace("20852163", "٣"), REAL_TEXT.replace("q2I=", "q2J="),
        REAL_TEXT.replace("CsUY", ""), REAL_TEXT + "\n", "\n" + REAL_TEXT,
    ],
)  # fmt: skip
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        TreeHead.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        GO_VERIFIER[:-2],
        GO_VERIFIER.replace("c74f20a3", "c74f20a4"),
        "a b+" + GO_VERIFIER,
    ],
)
def test_a_text_that_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError, match="verifier key"):
        VerifierKey.parse(text)


def test_notes_are_found_in_a_longer_text() -> None:
    text = f"till/city\n7\n{base64.b64encode(bytes(32)).decode()}\n"
    note = SignerKey.new("till/city").sign(text)
    page = f"report\r\n\n{note}\nmore text\n{note.rstrip()}"

    assert [note, note] == find_notes(page)
    assert [] == find_notes(text)
