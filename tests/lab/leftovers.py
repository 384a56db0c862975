"""What is on a host because of containers, to compare before and after; and leaks that tests plant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.lab.asking import names, report
from tests.lab.hosts import LabHost

_API: Final = "curl -sf 127.0.0.1:6784"
#: A container that there is not.
_NOBODY: Final = "d" * 64

_QUESTIONS: Final = {
    "devices": "ls /sys/class/net | grep -E '^vethw' || true",
    "bridges": "ls /sys/class/net | grep -E '^(weave|wv)' | sort || true",
    "rules": "iptables-save | grep -i weave | sed 's/ *\\[[0-9:]*\\]//' | sort",
    "networks": "docker network ls --format '{{.Name}}' | sort",
}


def state_of(host: LabHost) -> dict[str, Any]:
    """Devices, rules, networks, addresses and names."""
    found: dict[str, Any] = {kind: host.run(command) for kind, command in _QUESTIONS.items()}
    found["addresses"] = sorted(owned(host).items())
    found["names"] = sorted((one["ContainerID"], one["Hostname"]) for one in names(host))
    return found


def owned(host: LabHost) -> dict[str, tuple[str, ...]]:
    """The addresses that the host's router has given out, by owner."""
    rows = json.loads(host.run(f"{_API}/ip"))["owned"] or []
    return {row["containerid"]: tuple(row["addrs"]) for row in rows}


def leaks(host: LabHost) -> Mapping[str, Mapping[str, int]]:
    """What `weave status -o json` counts."""
    found: Mapping[str, Mapping[str, int]] = json.loads(host.run("weave status -o json"))["data"]["plugin"][
        "leaks"
    ]
    return found


def plant_leaks(host: LabHost) -> dict[str, int]:
    """One of each kind, as if Docker, the plugin or the router had been killed; how many, by kind."""
    network = host.run("docker network inspect -f '{{.Id}}' weave")
    endpoint, pool = "e" * 64, "weave-10.32.0.0/12-10.32.0.0/12"
    address = json.loads(
        _ask_plugin(host, "IpamDriver.RequestAddress", {"PoolID": pool, "Address": "", "Options": {}})
    )["Address"]
    wish = {"NetworkID": network, "EndpointID": endpoint, "Interface": {"Address": address}}
    _ask_plugin(host, "NetworkDriver.CreateEndpoint", wish)
    # Behind the back of the plugin: it died before it had written it down.
    host.run(f"{_API}/ip/_ -X POST")
    host.run(f"{_API}/ip/{_NOBODY} -X POST")
    host.run(f"{_API}/name/{_NOBODY}/10.32.7.7 -X PUT -d fqdn=nobody.weave.local")
    host.run("ip link add vethwl123456789 type veth peer name vethwg123456789")
    host.run("ip link add vethwepl99999 type veth peer name vethwepg99999")
    host.run("iptables -A WEAVE-FORWARD -s 10.99.99.99/32 -j ACCEPT")
    assert report(host)["Ready"]
    return {"endpoints": 1, "addresses": 3, "devices": 2, "names": 1}


def _ask_plugin(host: LabHost, call: str, body: Mapping[str, Any]) -> str:
    return host.run(
        f"curl -sf --unix-socket /run/docker/plugins/weavemesh.sock http://plugin/{call} -d @-",
        stdin=json.dumps(body),
    )
