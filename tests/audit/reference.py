"""A Merkle tree hash written from RFC 6962, not from the code under test."""

import hashlib


def merkle_tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(
        b"\x01" + merkle_tree_hash(leaves[:k]) + merkle_tree_hash(leaves[k:])
    ).digest()
