"""Features: as Go routers send them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import STRING, UINT
from weave_cli.router.wire.intro import Features, negotiate_version

SENT = {
    tuple(sorted(vector[side]["features_sent"].items()))
    for vector in load("intro")["vectors"]
    for side in ("initiator", "acceptor")
}
GOOD = {
    "PeerNameFlavour": "mac",
    "Name": "7a:00:00:00:00:01",
    "NickName": "host1",
    "UID": "7",
    "ConnID": "8",
}


@pytest.mark.parametrize("items", sorted(SENT), ids=lambda items: dict(items)["NickName"])
def test_features_of_go_routers_survive_the_round_trip(items: tuple[tuple[str, str], ...]) -> None:
    features = Features.from_map(dict(items))
    assert features.to_map() == dict(items)
    assert Features.decode(features.encode()) == features


def test_fields_mean_what_the_specification_says() -> None:
    features = Features.from_map(
        GOOD | {"ShortID": "4095", "Trusted": "T", "Overlays": "vxlan sleeve", "Multicast": "no"}
    )
    assert features == Features(
        name=PeerName(0x7A0000000001),
        nickname="host1",
        uid=7,
        conn_id=8,
        short_id=4095,
        trusted=True,
        overlays=("vxlan", "sleeve"),
        extra={"Multicast": "no"},
    )


def test_peers_of_old_have_neither_short_id_nor_overlays() -> None:
    features = Features.from_map(GOOD)
    assert (features.short_id, features.overlays, features.trusted) == (None, None, False)
    assert "Overlays" not in features.to_map()
    assert "ShortID" not in features.to_map()


def test_no_overlay_at_all_is_not_an_unknown_number_of_them() -> None:
    assert Features.from_map(GOOD | {"Overlays": ""}).overlays == ()
    assert Features.from_map(GOOD | {"Overlays": ""}).to_map()["Overlays"] == ""


def test_our_own_keys_never_replace_the_known_ones() -> None:
    features = Features.from_map(GOOD)
    forged = Features(
        name=features.name, nickname="host1", uid=7, conn_id=8, extra={"Name": "7a::9", "Own": "x"}
    )
    assert forged.to_map()["Name"] == "7a:00:00:00:00:01"
    assert forged.to_map()["Own"] == "x"


@pytest.mark.parametrize("key", GOOD)
def test_missing_field_is_named(key: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"^field {key} is missing$"):
        Features.from_map({name: value for name, value in GOOD.items() if name != key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PeerNameFlavour", "hash"),
        ("Name", "host1"),
        ("Name", "00:00:00:00:00:00"),
        ("UID", ""),
        ("UID", "-1"),
        ("UID", "1_0"),
        ("UID", "٣"),
        ("UID", str(1 << 64)),
        ("UID", "9" * 10_000),
        ("ConnID", "0x10"),
        ("ShortID", "4096"),
        ("ShortID", ""),
        ("Trusted", "yes"),
    ],
)
def test_value_that_does_not_parse_is_refused(key: str, value: str) -> None:
    with pytest.raises(RemoteProtocolError) as problem:
        Features.from_map(GOOD | {key: value})
    assert len(str(problem.value)) < 200


def test_features_are_one_map_and_nothing_else() -> None:
    for octets in (b"", encode_stream((UINT, 1)), encode_stream((STRING, "x"))):
        with pytest.raises(RemoteProtocolError):
            Features.decode(octets)
    with pytest.raises(RemoteProtocolError, match="left behind"):
        Features.decode(Features.from_map(GOOD).encode() + b"\x03\x06\x00\x01")


@pytest.mark.parametrize(("header", "version"), [(b"weave\1\2", 2), (b"weave\2\2", 2), (b"weave\0\xff", 2)])
def test_highest_common_version_is_spoken(header: bytes, version: int) -> None:
    assert negotiate_version(header) == version


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"weave\0\0", r"no common protocol version \(ours: 1\.\.2, theirs: 0\.\.0\)"),
        (b"weave\3\4", r"no common protocol version \(ours: 1\.\.2, theirs: 3\.\.4\)"),
        (b"weave\3\2", "no common protocol version"),
        (b"GET / H", r"not the weave protocol: b'GET /'"),
        (b"WEAVE\1\2", "not the weave protocol"),
    ],
)
def test_header_of_something_else_is_refused(header: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"^{reason}"):
        negotiate_version(header)


@given(st.dictionaries(st.sampled_from([*GOOD, "ShortID", "Trusted", "Overlays", "X"]), st.text(max_size=12)))
def test_any_map_is_features_or_a_sentence(features: dict[str, str]) -> None:
    for candidate in (features, GOOD | features):
        try:
            parsed = Features.from_map(candidate)
        except RemoteProtocolError as problem:
            assert str(problem)
        else:
            assert Features.decode(parsed.encode()) == parsed
