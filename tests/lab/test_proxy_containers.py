"""Containers that are made through the proxy, as the original's own tests have it (numbers are theirs)."""

from __future__ import annotations

import re

import pytest

from tests.lab.asking import address, report
from tests.lab.checks import pings, until
from tests.lab.hosts import LabHost
from tests.lab.shell import Result

_DOOR = "docker -H unix:///var/run/weave/weave.sock"
_RANGE = "10.32.0.0/16"

two_engines = pytest.mark.parametrize("engine", ("20.10", "28.5"), indirect=True)


def through(host: LabHost, words: str) -> str:
    """A docker command through the proxy, which must succeed."""
    return host.run(f"{_DOOR} {words}")


def refused(host: LabHost, words: str, *, status: int, says: str) -> Result:
    result = host.sh(f"{_DOOR} {words}")
    assert result.status == status and says in result.stderr, result
    return result


def stays(host: LabHost, name: str, words: str = "", *, command: str = "sleep 1000") -> str:
    """A container that stays up; its address on the network."""
    through(host, f"run -d --name {name} {words} busybox {command}")
    return address(host, name)


def running(host: LabHost) -> set[str]:
    """The names of the containers that run, but for ours."""
    return set(host.run("docker ps --format '{{.Names}}'").split()) - {"weave", "weaveproxy"}


@two_engines
def test_605_to_695_containers_are_attached_before_their_program_begins(host: LabHost) -> None:
    host.run(f"weave launch-router --ipalloc-range={_RANGE}", timeout=120)
    host.run("weave launch-proxy --rewrite-inspect", timeout=120)
    _begins_with_its_network(host)
    _says_what_is_wrong(host)
    _is_left_alone(host)
    web = _has_names(host)
    _is_inspected(host, web)
    _is_attached_again(host, web)
    _outlives_router_and_proxy(host, web)


def _begins_with_its_network(host: LabHost) -> None:
    """610, 615, 620, 630"""
    seen = through(
        host,
        "run --rm --name c1 --add-host box:10.9.9.9 busybox sh -c"
        " 'echo pid $$; cat /sys/class/net/ethwe/carrier; hostname -i; ip route; cat /etc/hosts; hostname'",
    )
    assert seen.startswith("pid 1\n1\n10.32.0."), seen
    assert "224.0.0.0/4 dev ethwe" in seen and "\n10.9.9.9     box\n" in seen and seen.endswith("\nc1"), seen
    several = through(
        host,
        "run --rm -e WEAVE_CIDR='10.2.1.1/24 net:10.32.7.0/24 ip:10.2.2.1/24' --net=none busybox"
        " ip -4 -o addr show ethwe",
    )
    assert re.findall(r"inet (\S+)", several) == ["10.2.1.1/24", "10.32.7.1/24", "10.2.2.1/24"]
    assert through(host, "run --rm --user 1000 --read-only --cap-drop=ALL busybox hostname -i").startswith(
        "10.32."
    )
    assert through(host, "run --rm --entrypoint grep busybox ^1$ /sys/class/net/ethwe/carrier") == "1"
    assert through(host, "run --rm -v /etc:/w:ro busybox ls /w/hostname") == "/w/hostname"


def _says_what_is_wrong(host: LabHost) -> None:
    """610, and part 4: no container half-attached"""
    says = 'exec: "foo": executable file not found in $PATH'
    refused(host, "run --rm busybox foo", status=127, says=says)
    refused(host, "run --rm busybox touch /w/w", status=1, says="Read-only file system")
    refused(host, "run --rm busybox sh -c 'exit 42'", status=42, says="")
    says = "WEAVE_CIDR: invalid CIDR address: 10.2.1.1."
    refused(host, "run --name bad -e WEAVE_CIDR=10.2.1.1 busybox true", status=125, says=says)
    says = "range 10.99.0.0/24 out of bounds"
    refused(host, "run --name bad -e WEAVE_CIDR=net:10.99.0.0/24 busybox sleep 1000", status=125, says=says)
    assert running(host) == set()
    host.run("docker rm bad")
    until(lambda: report(host)["IPAM"]["ActiveIPs"] == 0, 60, "all addresses are given back")


def _is_left_alone(host: LabHost) -> None:
    """660"""
    for words in ("-e WEAVE_CIDR=none", "--net=none -e WEAVE_CIDR=none"):
        assert "ethwe" not in through(host, f"run --rm {words} busybox ip link")
    assert "10.32." not in through(host, "run --rm --net=host busybox ip -4 -o addr")


def _has_names(host: LabHost) -> str:
    """630, 635; gives an address that the next ones look at"""
    web = stays(host, "web", "--restart=always")
    other = stays(host, "other", "-h foo.weave.local")
    shared = through(host, "run --rm --net=container:web busybox ip -4 -o addr show ethwe")
    assert f"inet {web}/16" in shared
    through(host, "run -d --name guest --net=container:web busybox sleep 1000")
    assert host.run("weave ps guest").split()[1:] == host.run("weave ps web").split()[1:]
    through(host, "rm -f guest")
    for container, target in (("other", "web"), ("web", "foo"), ("web", "foo.weave.local"), ("web", other)):
        pings(host, container, target)
    assert host.run("weave dns-lookup web") == web
    return web


def _is_inspected(host: LabHost, web: str) -> None:
    """605"""
    form = (
        "{{slice .Name 1}} {{.NetworkSettings.MacAddress}}"
        " {{.NetworkSettings.IPAddress}}/{{.NetworkSettings.IPPrefixLen}}"
    )
    assert through(host, f"inspect -f '{form}' web") == host.run("weave ps web")
    form = "{{.Path}} {{.Args}} {{.Config.Entrypoint}} {{.HostConfig.Binds}} {{.Mounts}}"
    assert through(host, f"inspect -f '{form}' web") == "sleep [1000] [] [] []"
    assert '"sleep 1000"' in through(host, "ps --filter name=web --format '{{.Command}}'")
    assert web in through(host, "inspect web")


def _is_attached_again(host: LabHost, web: str) -> None:
    """640"""
    through(host, "restart -t 0 web")
    assert address(host, "web") == web, "attached when the answer came"
    until(lambda: host.run("weave dns-lookup web") == web, 60, "its name is back")
    host.run("kill -KILL $(docker inspect -f '{{.State.Pid}}' web)")
    # Docker may still show the life before; a ping there, or in a life that ends, is one that fails.
    until(
        lambda: host.run("docker inspect -f '{{.RestartCount}} {{.State.Running}}' web") == "1 true",
        30,
        "Docker starts it again",
    )
    until(lambda: through(host, "exec web ip -4 -o addr show ethwe").count(f"inet {web}/16"), 60, "attached")
    pings(host, "other", "web", timeout=60)


def _outlives_router_and_proxy(host: LabHost, web: str) -> None:
    """640, 695"""
    host.run("docker restart -t 5 weaveproxy")
    until(lambda: host.sh(f"{_DOOR} version").status == 0, 30, "the proxy is back")
    pings(host, "other", web)
    host.run("docker stop weave")
    says = "weave container is not running."
    for words in ("", "-e WEAVE_CIDR=10.2.1.9/24"):
        refused(host, f"run --name away {words} busybox sleep 1000", status=125, says=says)
        assert running(host) == {"web", "other"}
        host.run("docker rm away")
    through(host, "create --name late busybox sleep 1000")
    host.run("docker start late")  # nobody waits for this one, so it waits for the router
    host.run("docker start weave")
    until(lambda: address(host, "late").startswith("10.32."), 60, "attached when the router is back")
    pings(host, "late", "web", timeout=60)


def test_195_630_660_680_options_of_the_proxy_are_those_of_the_start(host: LabHost) -> None:
    host.run(f"weave launch-router --ipalloc-range={_RANGE}", timeout=120)
    host.run("weave launch-proxy --no-default-ipalloc --without-dns --no-rewrite-hosts --no-multicast-route")
    assert "ethwe" not in through(host, "run --rm busybox ip link")
    seen = through(
        host,
        "run --name box -e WEAVE_CIDR= busybox"
        " sh -c 'ip -4 -o addr show ethwe; ip route; cat /etc/hosts /etc/resolv.conf; hostname'",
    )
    assert "inet 10.32." in seen and "224.0.0.0" not in seen, seen
    assert "weave" not in seen.replace("ethwe", "") and not seen.endswith("box"), seen

    host.run("weave stop-proxy")
    match = "'^[^-]+-(?P<app>[^-]*)-[^-]+$'"
    host.run(
        f"weave launch-proxy --hostname-from-label=called --hostname-match {match}"
        " --hostname-replacement '$app'"
    )
    assert "224.0.0.0/4 dev ethwe" in through(host, "start -a box"), "as the proxy has it now"
    for words, name in (
        ("--name=x-seeone-y", "seeone"),
        ("--label=called=x-seetwo-y", "seetwo"),
        ("--name=plain", "plain"),
        ("--name=x-other-z -h own.weave.local", "own.weave.local"),
    ):
        assert through(host, f"run --rm {words} busybox hostname") == name


def test_630_to_690_words_lead_to_the_proxy_wherever_it_listens(host: LabHost) -> None:
    assert host.run("weave env; weave config || true") == "", "there is none yet"
    host.run("weave launch-proxy", timeout=120)
    _needs_no_router_for_a_fixed_address(host)
    host.run(f"weave launch-router --ipalloc-range={_RANGE}", timeout=120)
    assert host.run("weave dns-lookup early") == "10.2.1.1", "the router learns what was there before"
    _is_run_by_weave(host)
    assert host.run("docker $(weave config) run --rm busybox hostname -i").startswith("10.32.")
    there = host.run(
        'eval "$(weave env)"; weave version; echo $DOCKER_HOST; docker run --rm busybox hostname -i'
    )
    assert "\nunix:///var/run/weave/weave.sock\n10.32." in there, there
    assert host.sh("docker -H tcp://127.0.0.1:12375 ps").status == 1, "a socket only, as Docker has it"
    _listens_where_it_is_told(host)


def _needs_no_router_for_a_fixed_address(host: LabHost) -> None:
    """610, 630, 650"""
    words = "-d --name early -h early.weave.local -e WEAVE_CIDR=10.2.1.1/24 busybox sleep 1000"
    host.run(f"docker $(weave config) run {words}")
    assert address(host, "early") == "10.2.1.1"
    says = "weave container is not present. Have you launched it?"
    words = "-e WEAVE_CIDR='10.2.1.2/24 net:default' busybox true"
    refused(host, f"run --rm {words}", status=125, says=says)


def _is_run_by_weave(host: LabHost) -> None:
    """685: one address, and nothing of the proxy's"""
    host.run('eval "$(weave env)"; weave run 10.2.1.13/24 --name=own -t busybox sh')
    assert host.run("weave ps own").split()[2:] == ["10.2.1.13/24"]
    assert host.run("docker inspect -f '{{.Path}} {{.Mounts}}' own") == "sh []"


def _listens_where_it_is_told(host: LabHost) -> None:
    """690"""
    host.run("ln -s /var/run/docker.sock /run/alternative.sock")
    ours, other = "unix:///var/run/weave/weave.sock", "unix:///run/other.sock"
    for words, where, absent in (
        (f"-H {other}", other, ours),
        ("-H tcp://0.0.0.0:12345", "tcp://127.0.0.1:12345", "tcp://127.0.0.1:12375"),
        (f"-H tcp://0.0.0.0:12375 -H {ours}", "tcp://127.0.0.1:12375", other),
    ):
        host.run(
            f"weave stop-proxy; DOCKER_HOST=unix:///run/alternative.sock weave launch-proxy {words}",
            timeout=120,
        )
        assert host.run("weave config") == f"-H={where}"
        assert host.run(f"docker -H {where} run --rm busybox hostname -i").startswith("10.32.")
        assert host.sh(f"docker -H {absent} ps").status == 1
    wrong = host.sh(
        "DOCKER_HOST=tcp://127.0.0.1:12375 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/ weave launch-proxy"
    )
    assert wrong.status == 1 and wrong.stderr.startswith("cannot talk TLS to Docker at tcp://"), wrong
