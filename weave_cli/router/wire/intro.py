"""What two routers say of themselves first: the features (specification mesh, section 7). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.errors import RemoteProtocolError, UsageProblem
from weave_cli.names import UNKNOWN_PEER, PeerName, format_peer_name, parse_peer_name
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import STRING, MapOf

#: The octets that open every connection, then lowest and highest version spoken (section 4).
PROTOCOL_MAGIC: Final = b"weave"
LOWEST_VERSION: Final = 1
HIGHEST_VERSION: Final = 2
HEADER_SIZE: Final = 7

#: The octet behind the headers in version 2 (section 5), and the octets of the public key behind it.
NO_PASSWORD: Final = b"\x00"
WITH_PASSWORD: Final = b"\x01"
PUBLIC_KEY_SIZE: Final = 32

FEATURES: Final = MapOf(STRING, STRING)

_FLAVOUR: Final = "mac"
_KNOWN_KEYS: Final = frozenset(
    {"PeerNameFlavour", "Name", "NickName", "UID", "ConnID", "ShortID", "Trusted", "Overlays"}
)
#: Version 1 sends features in clear: only these, and the public key of a side with a password (section 6).
_VERSION_1_KEYS: Final = frozenset({"ConnID", "Name", "NickName", "PeerNameFlavour", "UID"})
_PUBLIC_KEY: Final = "PublicKey"
_TRUE_WORDS: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE_WORDS: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """How one side introduces itself on one connection.

    uid: random at every start of the process. conn_id: random for each connection and side.
    short_id: 0 to 4095. overlays: in order of preference; None from peers that know only sleeve.
    extra: keys that Go routers ignore; our overlays use them.
    """

    name: PeerName
    nickname: str
    uid: int
    conn_id: int
    short_id: int | None = None
    trusted: bool = False
    overlays: tuple[str, ...] | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """A gob stream of its own, as version 2 sends it."""
        return encode_stream((FEATURES, self.to_map()))

    def encode_version_1(self, public_key: bytes | None) -> bytes:
        """The beginning of the gob stream of a side that speaks version 1."""
        features = {key: value for key, value in self.to_map().items() if key in _VERSION_1_KEYS}
        if public_key is not None:
            features[_PUBLIC_KEY] = public_key.hex()
        return encode_stream((FEATURES, features))

    def to_map(self) -> dict[str, str]:
        """The keys and texts of section 7."""
        features = {
            "PeerNameFlavour": _FLAVOUR,
            "Name": format_peer_name(self.name),
            "NickName": self.nickname,
            "UID": str(self.uid),
            "ConnID": str(self.conn_id),
            "Trusted": "true" if self.trusted else "false",
        }
        if self.short_id is not None:
            features["ShortID"] = str(self.short_id)
        if self.overlays is not None:
            features["Overlays"] = " ".join(self.overlays)
        return {**self.extra, **features}

    @classmethod
    def decode(cls, data: bytes) -> Features:
        """Raises RemoteProtocolError."""
        (features,) = decode_stream(data, FEATURES)
        return cls.from_map(features)

    @classmethod
    def decode_version_1(cls, data: bytes) -> tuple[Features, bytes | None]:
        """Features and public key; whatever else was sent is left out. Raises RemoteProtocolError."""
        (features,) = decode_stream(data, FEATURES)
        public_key = features.get(_PUBLIC_KEY)
        safe = {key: value for key, value in features.items() if key in _VERSION_1_KEYS}
        return cls.from_map(safe), None if public_key is None else _parse_public_key(public_key)

    @classmethod
    def from_map(cls, features: Mapping[str, str]) -> Features:
        """Raises RemoteProtocolError naming the key that is missing or does not parse."""
        for key in ("PeerNameFlavour", "Name", "NickName", "UID", "ConnID"):
            if key not in features:
                raise RemoteProtocolError(f"field {key} is missing")
        if (flavour := features["PeerNameFlavour"]) != _FLAVOUR:
            raise RemoteProtocolError(f"peer name flavour mismatch (ours: {_FLAVOUR}, theirs: {flavour})")
        overlays = features.get("Overlays")
        short_id = features.get("ShortID")
        return cls(
            name=_parse_name(features["Name"]),
            nickname=features["NickName"],
            uid=_parse_number("UID", features["UID"], 1 << 64),
            conn_id=_parse_number("ConnID", features["ConnID"], 1 << 64),
            short_id=None if short_id is None else _parse_number("ShortID", short_id, 1 << 12),
            trusted=_parse_bool("Trusted", features.get("Trusted", "false")),
            overlays=None if overlays is None else tuple(overlays.split(" ")) if overlays else (),
            extra={key: value for key, value in features.items() if key not in _KNOWN_KEYS},
        )


def negotiate_version(header: bytes, *, lowest: int = LOWEST_VERSION) -> int:
    """The version of a connection, from the remote's seven octets; raises RemoteProtocolError.

    lowest: the lowest version that we offer.
    """
    if header[:5] != PROTOCOL_MAGIC:
        raise RemoteProtocolError(f"not the weave protocol: {header[:5]!r}")
    low, high = header[5], header[6]
    version = min(high, HIGHEST_VERSION)
    if version < max(low, lowest):
        raise RemoteProtocolError(
            f"no common protocol version (ours: {lowest}..{HIGHEST_VERSION}, theirs: {low}..{high})"
        )
    return version


def check_encryption(*, ours: bool, theirs: bool) -> None:
    """Raises RemoteProtocolError when only one of the two sides was launched with a password."""
    if ours and not theirs:
        raise RemoteProtocolError(
            "password specified, but peer requested an unencrypted connection: "
            "it was launched without password"
        )
    if theirs and not ours:
        raise RemoteProtocolError(
            "no password specified, but peer requested an encrypted connection: "
            "it was launched with a password"
        )


def _parse_public_key(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text, re.ASCII):
        raise RemoteProtocolError(f"field {_PUBLIC_KEY} is no key of {PUBLIC_KEY_SIZE} octets: {text[:80]!r}")
    return bytes.fromhex(text)


def _parse_name(text: str) -> PeerName:
    try:
        name = parse_peer_name(text)
    except UsageProblem as problem:
        raise RemoteProtocolError(str(problem)) from problem
    if name == UNKNOWN_PEER:
        raise RemoteProtocolError(f"peer calls itself nobody: {text}")
    return name


def _parse_number(key: str, text: str, limit: int) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", text, re.ASCII) or int(text) >= limit:
        raise RemoteProtocolError(f"field {key} is no number below {limit}: {text[:40]!r}")
    return int(text)


def _parse_bool(key: str, text: str) -> bool:
    if text in _TRUE_WORDS or text in _FALSE_WORDS:
        return text in _TRUE_WORDS
    raise RemoteProtocolError(f"field {key} is neither true nor false: {text[:40]!r}")
