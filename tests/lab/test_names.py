"""weaveDNS as containers and resolvers see it: who has which name, how it is asked for, when it goes."""

from __future__ import annotations

import pytest

from tests.lab.asking import report
from tests.lab.checks import ping, resolves, until
from tests.lab.dns_client import OUTSIDE, a, ask
from tests.lab.hosts import LabHost

_LONG_NAME = "0123456789" * 6 + "01234"
_NOTHING: list[str] = []


def run(host: LabHost, addresses: str, words: str) -> None:
    """A container that has these addresses on the network and asks weaveDNS."""
    host.run(f"weave run {addresses} --init -ti {words} busybox")


def becomes(host: LabHost, name: str, *addresses: str) -> None:
    """Wait until weaveDNS answers with just these addresses."""
    wanted = ("NOERROR" if addresses else "NXDOMAIN", sorted(addresses))
    until(lambda: ask(host, a(name)) == [wanted], 30, f"{name} is {addresses}")


def hostname(host: LabHost, words: str) -> str:
    """The full host name that Docker gives a container that is run with these words; it is gone again."""
    run(host, "10.2.0.20/24", words)
    form = "{{.Config.Hostname}}.{{.Config.Domainname}}"
    found = host.run(f"docker inspect -f '{form}' c1 && docker rm -f c1 >/dev/null")
    return found.rstrip(".")


@pytest.mark.timeout(600)
def test_names_are_found_however_they_are_asked_for_and_go_with_their_containers(host: LabHost) -> None:
    host.run("weave launch", timeout=120)
    run(host, "10.2.0.78/24", "--name=one -h seeone.weave.local")
    run(host, "10.2.0.34/24", "--name=two")

    # Unqualified, by the domain to search that they have of us, of Docker, and from a resolver that has none.
    assert resolves(host, "two", "seeone") == "10.2.0.78"
    run(host, "10.2.0.57/24", "--name=three --dns-search=weave.local")
    assert resolves(host, "three", "seeone") == "10.2.0.78"
    run(host, "10.2.0.99/24", "--name=SeEtWo")
    run(host, "10.2.0.80/24", "--name=seetwo")
    both = ["10.2.0.80", "10.2.0.99"]
    found = ask(
        host,
        *(a("seeone."), a("SEEONE.Weave.Local."), a("seetwo.weave.local."), a("SeEtWo.weave.local.")),
        *(("PTR", f"78.0.2.10.{arpa}", "udp", 0) for arpa in ("in-addr.arpa.", "IN-ADDR.ARPA.")),
        *(("MX", "two.weave.local.", "udp", 0), a("xx.weave.local.")),
    )
    assert found == [
        *(("NOERROR", addresses) for addresses in (["10.2.0.78"], ["10.2.0.78"], both, both)),
        *[("NOERROR", ["seeone.weave.local."])] * 2,
        *(("NOERROR", _NOTHING), ("NXDOMAIN", _NOTHING)),
    ]
    host.run("docker rm -f three SeEtWo seetwo")

    # Names go with their container, however that came onto the network; the address leads to the next name.
    for number, commands in enumerate(
        (
            "weave run 10.2.0.43/24 -t {} busybox",
            "docker run -td {} busybox && weave attach 10.2.0.43/24 c1",
            "docker create -t {} busybox && weave start 10.2.0.43/24 c1",
        )
    ):
        name = f"name{number}.weave.local."
        host.run(commands.format(f"--name=c1 -h {name}"))
        becomes(host, name, "10.2.0.43")
        assert ask(host, ("PTR", "43.0.2.10.in-addr.arpa.", "udp", 0)) == [("NOERROR", [name])]
        host.run("docker rm -f c1")
        becomes(host, name)

    # Fifty addresses are an answer for TCP, which a resolver that has no room for them asks by.
    many = [f"10.2.1.{number}" for number in range(1, 51)]
    host.run(f"weave dns-add {' '.join(many)} two -h many.weave.local")
    found = ask(host, *(a("many.weave.local.", how, size) for how in ("udp", "tcp") for size in (0, 700)))
    assert found == [("NOERROR", sorted(many))] * 4

    host.run("weave stop && weave launch", timeout=120)
    becomes(host, "seeone.weave.local.", "10.2.0.78")
    assert resolves(host, "two", "seeone") == "10.2.0.78"


@pytest.mark.timeout(600)
def test_host_names_domains_and_the_world_outside(host: LabHost) -> None:
    host.run("weave launch --dns-domain=foo.bar.", timeout=120)
    for number, words in (
        (34, "--name=c2 -h foo.sub1.foo.bar"),
        (91, "--name=c3 -h foo.sub2.foo.bar"),
        (92, "--name=c4 -h tre.sub1.foo.bar --dns-search=sub2.foo.bar"),
    ):
        run(host, f"10.2.54.{number}/24", words)
    assert resolves(host, "c2", "foo.sub2.foo.bar") == "10.2.54.91"
    assert resolves(host, "c3", "foo.sub1.foo.bar") == "10.2.54.34"
    assert resolves(host, "c4", "foo") == "10.2.54.91", "by the domain that it searches"
    assert resolves(host, "c2", "tre") == "10.2.54.92", "by that of its own name"

    given = "own.foo.bar"
    for words, expected in (
        *((f"--name{between}c1", "c1.foo.bar") for between in "= "),
        *((f"--name=c1 {option}{given}", given) for option in ("-h ", "--hostname=", "--hostname ")),
        (f"-h {given} --name c1", given),
    ):
        assert hostname(host, words) == expected, words
    host.run(f"weave run 10.2.0.20/24 --name={_LONG_NAME} -ti busybox")

    # Whoever wants no weaveDNS has the addresses that he gave himself.
    run(host, "--without-dns 10.2.0.21/24", "--add-host=static.name:10.9.9.9 --name=c1")
    assert resolves(host, "c1", "foo.sub1.foo.bar") is None
    assert resolves(host, "c1", "static.name") == "10.9.9.9"

    host.run("cp /etc/resolv.conf /etc/resolv.before && echo nameserver 127.0.0.9 >/etc/resolv.conf")
    outside = host.run("python -m tests.lab.dns_client serve 127.0.0.9 >/dev/null 2>&1 & echo $!")
    try:
        wanted = [("NOERROR", [data]) for data in OUTSIDE.values()]
        questions = [(kind, name, "udp", 0) for kind, name in OUTSIDE]
        until(lambda: ask(host, *questions) == wanted, 60, "names outside are answered from there")
        assert ask(host, a("xx.invalid.")) == [("NXDOMAIN", _NOTHING)]
    finally:
        host.run(f"kill {outside}; mv /etc/resolv.before /etc/resolv.conf")


@pytest.mark.timeout(600)
def test_an_address_goes_from_container_to_container_and_is_reached_at_once(host: LabHost) -> None:
    assert host.run("weave --local launch --ipalloc-range=10.2.0.0/16", timeout=120) == ""
    host.run("weave --local run 10.2.1.43/24 --init --name=c1 -ti busybox")
    for number in (2, 3):
        host.run(f"weave run 10.2.1.44/24 --init --name=c{number} -ti busybox")
        assert ping(host, "c1", "10.2.1.44", timeout=5)
        host.run(f"docker rm -f c{number}")
    host.run("weave run 10.2.1.45/24 --init --name=c4 -ti busybox && weave attach 10.2.1.44/24 c4")
    assert ping(host, "c1", "10.2.1.44", timeout=5)
    lines = [line.split() for line in host.run("weave --local ps").splitlines()]
    short_ids = host.run("docker inspect -f '{{slice .Id 0 12}}' c1 c4").split()
    assert sorted(line[0] for line in lines) == sorted(["weave:expose", *short_ids])
    assert report(host)["Router"]["Connections"] == []
    assert host.run("weave --local reset") == ""
    assert host.run("docker ps -aq --filter label=works.weave") == ""
