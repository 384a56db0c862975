"""The internet checksum of RFC 1071, at the speed of Python's large numbers."""

from __future__ import annotations


def internet_checksum(octets: bytes) -> int:
    """The number that makes the ones-complement sum of all 16-bit words, itself included, come out right.

    65536 is 1 modulo 65535, so the sum of the words is the whole number modulo 65535; the two zeros of ones
    complement are told apart as adding the words would do.
    """
    if len(octets) & 1:
        octets += b"\0"
    whole = int.from_bytes(octets, "big")
    return 65535 - (whole % 65535 or (65535 if whole else 0))
