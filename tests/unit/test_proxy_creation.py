"""Requests to create containers, in every shape that Docker accepts (checklist: 610, 620, 630, 680)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from weave_cli.proxy.rewriting.creation import (
    Creation,
    ImageFacts,
    Naming,
    Resolver,
    add_warnings,
    read_image,
)
from weave_cli.proxy.rewriting.documents import Unreadable, read_document, write_document
from weave_cli.proxy.rewriting.hostname import HostnameRule

Json = dict[str, Any]

_IMAGE = ImageFacts(entrypoint=("/entry",), command=("run",))
_PLAIN = ImageFacts(command=("sh",))
_MOUNT = "weavewait:/w:ro,nocopy"
_RESOLVER = Resolver(address="172.17.0.1", domain="weave.local.")


def _created(document: Json, *, name: str = "", image: ImageFacts = _PLAIN) -> Creation:
    return Creation(document=document, name=name, image=image)


def _naming(pattern: str = "(.*)", replacement: str = "$1", label: str | None = None) -> Naming:
    return Naming(rule=HostnameRule(pattern, replacement), label=label)


@pytest.mark.parametrize(
    ("given", "image", "entrypoint", "command"),
    [
        # Nothing given: all of the image's.
        ({}, _IMAGE, ["/entry"], ["run"]),
        ({"Entrypoint": None, "Cmd": None}, _IMAGE, ["/entry"], ["run"]),
        ({"Cmd": []}, _IMAGE, ["/entry"], ["run"]),
        ({}, _PLAIN, [], ["sh"]),
        # A command given: the image's entrypoint before it.
        ({"Cmd": ["a", "b"]}, _IMAGE, ["/entry"], ["a", "b"]),
        ({"Cmd": "a b"}, _IMAGE, ["/entry"], ["a b"]),
        ({"cmd": ["a"]}, _IMAGE, ["/entry"], ["a"]),
        # An entrypoint given: nothing of the image's.
        ({"Entrypoint": ["e"]}, _IMAGE, ["e"], []),
        ({"Entrypoint": "e", "Cmd": ["a"]}, _IMAGE, ["e"], ["a"]),
        ({"ENTRYPOINT": ["e"]}, _IMAGE, ["e"], []),
        # Emptied: by an empty list the image's command stays, by an empty text nothing does.
        ({"Entrypoint": []}, _IMAGE, [], ["run"]),
        ({"Entrypoint": [""], "Cmd": ["a"]}, _IMAGE, [], ["a"]),
        # Committed from such a container: once is enough.
        ({}, ImageFacts(entrypoint=("/w/w", "e"), command=("a",)), ["e"], ["a"]),
        ({"Entrypoint": ["/w/w"], "Cmd": ["a"]}, _IMAGE, [], ["a"]),
    ],
)
def test_620_the_program_is_what_it_was(
    given: Json, image: ImageFacts, entrypoint: list[str], command: list[str]
) -> None:
    document = {**given, "Image": "x"}
    assert _created(document, image=image).put_wait_before()
    assert document == {
        "Image": "x",
        "Entrypoint": ["/w/w", *entrypoint],
        "Cmd": command,
        "HostConfig": {"Binds": [_MOUNT]},
    }


@pytest.mark.parametrize(
    "given", [{}, {"Entrypoint": []}, {"Entrypoint": [""]}, {"Entrypoint": [""], "Cmd": []}]
)
def test_610_without_a_command_docker_says_so_itself(given: Json) -> None:
    document = json.loads(json.dumps(given))
    image = ImageFacts() if given.get("Entrypoint") != [""] else _IMAGE
    assert not _created(document, image=image).put_wait_before()
    assert document == given


@pytest.mark.parametrize(
    ("given", "directory"),
    [
        (None, "/w"),
        ({}, "/w"),
        ({"Binds": None}, "/w"),
        ({"Binds": ["/a:/b:ro", "data:/c"]}, "/w"),
        ({"Binds": ["/x:/w"]}, "/.weavewait"),
        ({"Binds": ["/x:/w/:ro"]}, "/.weavewait"),
        ({"Binds": ["vol:/w/below"]}, "/.weavewait"),
        ({"Binds": ["/x:/water"]}, "/w"),
        ({"Mounts": [{"Type": "bind", "Source": "/x", "Target": "/w"}]}, "/.weavewait"),
        ({"mounts": [{"type": "tmpfs", "target": "/w/t"}]}, "/.weavewait"),
        ({"Mounts": [{"Type": "volume", "Target": "/srv"}]}, "/w"),
        ({"Tmpfs": {"/w": "size=1m"}}, "/.weavewait"),
        ({"Binds": [_MOUNT]}, "/w"),
    ],
)
def test_610_the_waiting_program_is_mounted_where_nothing_else_is(given: Json | None, directory: str) -> None:
    document: Json = {"HostConfig": json.loads(json.dumps(given))}
    assert _created(document).put_wait_before()
    assert document["Entrypoint"][0] == f"{directory}/w"
    others = [bind for bind in (given or {}).get("Binds") or [] if bind != _MOUNT]
    assert document["HostConfig"]["Binds"] == [*others, f"weavewait:{directory}:ro,nocopy"]
    assert document["HostConfig"].get("Mounts") == (given or {}).get("Mounts")


def test_610_volumes_of_image_and_container_count_as_mounts() -> None:
    cases: list[tuple[Json, ImageFacts]] = [
        ({"Volumes": {"/w": {}}}, _PLAIN),
        ({}, ImageFacts(command=("sh",), volumes=("/w/data",))),
    ]
    for document, image in cases:
        assert _created(document, image=image).put_wait_before()
        assert document["Entrypoint"] == ["/.weavewait/w"]


@pytest.mark.parametrize(
    ("given", "name", "hostname", "search"),
    [
        ({}, "", None, "weave.local."),
        ({}, "web", ("web", "weave.local"), "."),
        ({}, "/web", ("web", "weave.local"), "."),
        ({"Hostname": ""}, "web", ("web", "weave.local"), "."),
        ({"Hostname": "own.weave.local"}, "web", None, "."),
        ({"hostname": "own.weave.local"}, "", None, "weave.local."),
        ({"HostConfig": {"UTSMode": "host"}}, "web", None, "."),
    ],
)
def test_630_a_container_has_its_name_and_weavedns(
    given: Json, name: str, hostname: tuple[str, str] | None, search: str
) -> None:
    document = json.loads(json.dumps(given))
    _created(document, name=name).use_resolver(_RESOLVER, _naming())
    if hostname is not None:
        assert (document["Hostname"], document["Domainname"]) == hostname
    else:
        assert document.get("Hostname") == given.get("Hostname") and "Domainname" not in document
    assert document["HostConfig"]["Dns"] == ["172.17.0.1"]
    assert document["HostConfig"]["DnsSearch"] == [search]


def test_630_name_servers_and_search_list_of_the_user_stay_first() -> None:
    document: Json = {"HostConfig": {"dns": ["8.8.8.8"], "DnsSearch": ["example.com"], "ExtraHosts": ["a:1"]}}
    _created(document, name="web").use_resolver(_RESOLVER, _naming())
    assert document["HostConfig"] == {
        "Dns": ["8.8.8.8", "172.17.0.1"],
        "DnsSearch": ["example.com"],
        "ExtraHosts": ["a:1"],
    }


def test_680_a_hostname_comes_from_a_label_or_the_name_through_the_pattern() -> None:
    naming = _naming("^[^-]+-([^-]*)-[^-]+$", "$1", "hostname-label")
    for labels, name, expected in (
        (None, "a-seeone-b", "seeone"),
        ({"hostname-label": "x-seetwo-y"}, "a-seeone-b", "seetwo"),
        ({"hostname-label": ""}, "a-seeone-b", "seeone"),
        ({"Hostname-Label": "other"}, "plain", "plain"),
    ):
        document: Json = {"Labels": labels}
        _created(document, name=name).use_resolver(_RESOLVER, naming)
        assert document["Hostname"] == expected


def test_680_a_name_that_is_too_long_is_told_and_not_set() -> None:
    document: Json = {}
    creation = _created(document, name="x" * 53)
    creation.use_resolver(_RESOLVER, _naming())
    assert "Hostname" not in document and "too long" in creation.warnings[0]
    answer: Json = {"Id": "i", "Warnings": None}
    add_warnings(answer, creation.warnings)
    assert answer == {"Id": "i", "Warnings": creation.warnings}


def test_the_environment_is_the_makers_first_and_then_the_images() -> None:
    creation = _created({"Env": ["A=1"]}, image=ImageFacts(environment=("A=2", "WEAVE_CIDR=none")))
    assert creation.environment == ("A=1", "A=2", "WEAVE_CIDR=none")


def test_an_image_is_read_from_what_docker_tells() -> None:
    config: Json = {"Entrypoint": None, "Cmd": ["sh"], "Env": ["A=1"], "Volumes": {"/data": {}}}
    assert read_image({"Config": config}) == ImageFacts(
        command=("sh",), environment=("A=1",), volumes=("/data",)
    )
    assert read_image({}) == ImageFacts()


def test_numbers_and_unknown_fields_stay_as_they_are() -> None:
    body = b'{"HostConfig":{"Memory":9223372036854775807,"Odd":{"X":[1,null,true,"\\u00e9"]}},"Image":"x"}'
    document = read_document(body)
    _created(document).put_wait_before()
    written = json.loads(write_document(document))
    assert b"9223372036854775807" in write_document(document)
    assert written["HostConfig"]["Odd"] == {"X": [1, None, True, "\u00e9"]}


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"7", b'{"HostConfig": 7}', b'{"Cmd": 7}', b'{"Cmd": [7]}']
)
def test_what_docker_would_refuse_is_left_to_it(body: bytes) -> None:
    with pytest.raises(Unreadable):
        creation = _created(read_document(body))
        assert creation.network_mode == ""
        creation.put_wait_before()
