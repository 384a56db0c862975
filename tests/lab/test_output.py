"""What commands answer on a real host, for programs and for people; and what they refuse, with its status."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.documents import read_document
from tests.lab.hosts import LabHost

#: Words that ask, in an order that they can be typed in while Weave runs, and the kind of their answer.
_ASKING: Final = {
    "status": "Status",
    "status targets": "Targets",
    "status connections": "Connections",
    "status peers": "Peers",
    "status dns": "Names",
    "status ipam": "AddressShares",
    "status topology": "Topology",
    "report": "Report",
    "report -f {{.Version}}": "RenderedReport",
    "ps": "Interfaces",
    "version": "Versions",
    "dns-lookup box": "Lookup",
    "env": "Environment",
    "bridge-type": "BridgeType",
    "docker-bridge-ip": "BridgeAddress",
    "prime": "Done",
    "help status": "Help",
}

#: What is refused while Weave runs, `box` is attached, `idle` is stopped and `naked` on the host's network:
#: exit status, code, and how the words on stderr begin.
_REFUSED: Final = {
    "launch": (1, "already-running", "weave is already running"),
    "launch-router": (1, "already-running", "weave is already running"),
    "attach nobody": (1, "container-unknown", "Error: No such container: nobody"),
    "attach idle": (2, "container-not-running", "idle container is not running."),
    "attach naked": (1, "container-on-host-network", "Container is running in the host network namespace"),
    "attach net:192.168.7.0/24 box": (1, "router", ""),
    "detach nobody": (1, "container-unknown", "Error: No such container: nobody"),
    "detach idle": (2, "container-not-running", "idle container is not running."),
    "start nobody": (1, "container-unknown", "Error: No such container: nobody"),
    "restart idle": (2, "container-not-running", "idle container is not running."),
    "dns-add nobody": (1, "container-unknown", "Error: No such container: nobody"),
    "dns-add idle": (2, "container-not-running", "idle container is not running."),
    "run nowhere.invalid/image": (125, "docker-command", ""),
    "expose net:192.168.7.0/24": (1, "router", ""),
    "rmpeer host2": (1, "takeover-refused", ""),
    "status weather": (1, "unknown-page", "unknown status page: weather"),
}


def test_answers_of_a_running_weave(two_hosts: tuple[LabHost, LabHost]) -> None:
    one, two = two_hosts
    two.run("weave launch", timeout=120)
    launched = _answer(one, f"launch {two.ip}", "Launched")
    assert launched["router"] and launched["plugin"]
    one.run("docker run -tdi --name box -h box.weave.local busybox")
    given = _answer(one, "attach 10.2.1.1/24 net:default box", "Addresses")["addresses"]
    assert given[0] == {"address": "10.2.1.1", "prefixLength": 24} and len(given) == 2
    assert _answer(one, "attach 10.2.1.1/24 box", "Addresses")["addresses"] == given[:1]
    assert _answer(one, "expose", "Addresses")["addresses"]
    for words, kind in _ASKING.items():
        _answer(one, words, kind)
    assert _answer(one, "ps box", "Interfaces")["interfaces"][0]["owner"] == "box"
    assert _answer(one, "dns-lookup box", "Lookup")["addresses"]
    assert _answer(one, "dns-args --name=web", "DockerArguments")["arguments"][0].startswith("--dns=")
    assert _answer(one, "run -d --name ran busybox sleep 1000", "Container")["container"]

    one.run("docker create --name idle busybox; docker run -tdi --net=host --name naked busybox")
    for words, (status, code, begins) in _REFUSED.items():
        refused = one.sh(f"weave {words}", timeout=60)
        assert refused.status == status and refused.stdout == "", refused
        assert refused.stderr.startswith(begins) and "defect" not in refused.stderr, refused
        answered = one.sh(f"weave -o json {words}", timeout=60)
        assert answered.status == status, answered
        assert read_document(answered.stdout)["error"]["code"] == code, answered

    for words in ("hide", "detach net:default box"):
        _answer(one, words, "Addresses")
    for words in ("forget nobody", "dns-add box", "dns-remove box", "stop"):
        assert _answer(one, words, "Done") == {"command": words.split()[0]}
    _is_told_to_be_stopped(one)


def _is_told_to_be_stopped(host: LabHost) -> None:
    """After `weave stop` its containers are gone: so is what could be reset in good order."""
    down = host.sh("weave -o json status")
    document = read_document(down.stdout)
    assert (down.status, document["error"]["code"]) == (1, "router-absent"), down
    assert document["data"]["router"] is None
    assert _answer(host, "reset", "Done", told=None) == {"command": "reset"}


def _answer(host: LabHost, words: str, kind: str, *, told: str | None = "") -> Any:
    """The data of a command that succeeds. told: what it may say on stderr; None: anything."""
    found = host.sh(f"weave -o json {words}", timeout=120)
    assert found.status == 0, found
    assert told is None or found.stderr == told, found
    document = read_document(found.stdout)
    assert (document["kind"], document["error"]) == (kind, None), json.dumps(document)
    return document["data"]
