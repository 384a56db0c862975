"""The image that weave makes of its installation holds all that router and plugin run, and is made once."""

from __future__ import annotations

from tests.lab.hosts import LabHost
from tests.lab.matrix import every_engine
from weave_cli.names import image_name

_IMAGE = image_name()
_IMPORTS = (
    "aiohttp, asyncio, ctypes, dns.resolver, docker, nacl.bindings, pyroute2, requests, sqlite3, ssl, yarl"
)


def _id(host: LabHost, name: str = _IMAGE) -> str:
    return host.run(f"docker image inspect --format '{{{{.Id}}}}' {name}")


@every_engine
def test_image_starts_everything_without_rights(host: LabHost) -> None:
    host.run("weave setup", timeout=120)
    in_image = f"docker run --rm --net=none --cap-drop=ALL {_IMAGE}"
    assert host.run(f"{in_image} python -c 'import {_IMPORTS}; print(ssl.OPENSSL_VERSION)'").startswith(
        "OpenSSL"
    )
    assert "--ipalloc-range" in host.run(f"{in_image} python -m weave_cli.router --help")
    assert "--mesh-network-name" in host.run(f"{in_image} python -m weave_cli.plugin --help")


def test_iptables_of_both_backends_work_in_it(host: LabHost) -> None:
    host.run("weave setup", timeout=120)
    in_image = f"docker run --rm --net=none --cap-drop=ALL --cap-add=NET_ADMIN --cap-add=NET_RAW {_IMAGE}"
    rule = "-t nat -A POSTROUTING -s 10.0.0.0/8 -m addrtype --dst-type LOCAL -j MASQUERADE"
    for program in ("iptables-nft", "iptables-legacy"):
        host.run(f"{in_image} {program} {rule}")


def test_second_setup_makes_nothing(host: LabHost) -> None:
    host.run("weave setup", timeout=120)
    made = _id(host)
    host.run("weave setup")
    assert _id(host) == made


def test_stale_image_is_replaced_and_leaves_nothing_behind(host: LabHost) -> None:
    host.sh(f"docker image rm {_IMAGE}")
    host.run(f"tar -cf - -C /etc hostname | docker import - {_IMAGE}")
    before = _id(host)
    host.run("weave setup", timeout=120)
    assert _id(host) != before
    assert before not in host.run("docker image ls --all --quiet --no-trunc")


def test_other_name_of_a_stale_image_is_kept(host: LabHost) -> None:
    before = _id(host, "busybox")
    host.sh(f"docker image rm {_IMAGE}")
    host.run(f"docker tag busybox {_IMAGE}")
    host.run("weave setup", timeout=120)
    assert _id(host) != before
    assert _id(host, "busybox") == before
