"""Docker on another host, and a user without root: the same commands, the same words, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.lab.checks import until
from tests.lab.hosts import LabHost

PASSWORD: Final = "corr3ct-h0rse"
_CERTIFICATES: Final = """
set -e; mkdir -p {where}; cd {where}; exec 2>/dev/null
key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
openssl req -x509 $key -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem
for name in server client; do
    openssl req $key -subj /CN=$name -keyout $name-key.pem -out $name.csr
    echo subjectAltName=IP:{ip} > $name.ext
    openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile $name.ext \\
        -out $name-cert.pem
done
"""
_SOCKET: Final = ("-H", "unix:///var/run/docker.sock")


@contextmanager
def listening(host: LabHost, *options: str) -> Iterator[None]:
    """The host's engine listens on TCP too."""
    host.stop_engine()
    host.start_engine(*_SOCKET, *options)
    try:
        yield
    finally:
        host.restart_engine()


@pytest.fixture
def behind_tls(two_hosts: tuple[LabHost, LabHost]) -> Iterator[tuple[LabHost, LabHost, str]]:
    """Host 1, whose engine wants a certificate; host 2, and the variables that lead from there to it."""
    one, two = two_hosts
    one.run(_CERTIFICATES.format(where="/run/operator/tls", ip=one.ip))
    certificates = {
        name: one.run(f"cat /run/operator/tls/{name}.pem") for name in ("ca", "client-cert", "client-key")
    }
    two.run("mkdir -p /run/operator/certs")
    for name, text in certificates.items():
        two.run(f"cat > /run/operator/certs/{name.removeprefix('client-')}.pem", stdin=text)
    two.stop_engine()
    files = [f"--tls{key}=/run/operator/tls/{file}.pem" for key, file in _TLS_FILES]
    with listening(one, "--tlsverify", *files, "-H", "tcp://0.0.0.0:2376"):
        yield (
            one,
            two,
            "export DOCKER_HOST=tcp://$HOST1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/run/operator/certs;",
        )


_TLS_FILES: Final = (("cacert", "ca"), ("cert", "server-cert"), ("key", "server-key"))


@contextmanager
def inspected(host: LabHost) -> Iterator[list[str]]:
    """What `docker inspect` shows of helper containers meanwhile; filled in at the end."""
    seen: list[str] = []
    host.run(
        "rm -f /run/inspected; touch /run/look; (while [ -e /run/look ]; do docker ps -aq"
        " --filter label=works.weave.component=helper | xargs -r docker inspect; done"
        " >/run/inspected 2>/dev/null) </dev/null >/dev/null 2>&1 &"
    )
    try:
        yield seen
    finally:
        host.run("rm /run/look; sleep 0.5")
        seen.append(host.run("cat /run/inspected"))


def has_no_helper(host: LabHost) -> bool:
    return host.run("docker ps -aq --filter label=works.weave.component=helper") == ""


def test_every_word_acts_on_the_host_that_docker_is_on(behind_tls: tuple[LabHost, LabHost, str]) -> None:
    one, two, there = behind_tls
    one.run("docker run -d --init --name box -h box.weave.local busybox sleep 1000")
    two.run(f"rm -f /run/operator/password; umask 077; echo {PASSWORD} > /run/operator/password")

    one.run("docker images -aq --filter label=works.weave.content | xargs -r docker rmi -f")
    made = two.sh(f"{there} weave status", timeout=120)
    assert (made.status, made.stdout) == (1, "\n\n")
    assert made.stderr.startswith("Making the image weave-cli:")
    assert made.stderr.endswith("Have you launched it?\nStart it with 'weave launch'.\n")
    with inspected(one) as seen:
        assert (
            two.run(
                f"{there} weave launch --password-file /run/operator/password --nickname far", timeout=120
            )
            == ""
        )
    assert "weavehelper" in seen[0] and '"Privileged": false' in seen[0]
    assert PASSWORD not in seen[0] and "nickname" not in seen[0]
    assert (
        one.run("docker exec weave cat /weave/password 2>/dev/null || docker cp weave:/weave/password -")
        != ""
    )

    for command in (
        *(
            "weave status",
            "weave status peers",
            "weave report -f '{{.Router.NickName}}'",
            "weave dns-args --name x",
        ),
        *("weave version", "weave docker-bridge-ip", "weave status topology", "weave -o json version"),
    ):
        assert two.run(f"{there} {command}") == one.run(command), command
    assert "Encryption: enabled" in one.run("weave status")
    assert (address := two.run(f"{there} weave attach --rewrite-hosts box")).startswith("10.32.0.")
    assert f"{address}    box.weave.local box" in one.run("docker exec box cat /etc/hosts")
    box = one.run("docker inspect -f '{{.State.Pid}}' box")
    neighbour = "/proc/sys/net/ipv4/neigh/ethwe/base_reachable_time"
    assert one.run(f"nsenter -t {box} -n cat {neighbour}") == "5"
    assert two.run(f"{there} weave dns-lookup box") == address
    assert two.run(f"{there} weave ps box") == one.run("weave ps box") != ""
    exposed = two.run(f"{there} weave expose -h gate.weave.local")
    assert one.run("weave dns-lookup gate") == exposed
    assert two.run(f"{there} weave ps") == one.run("weave ps")
    _proxy_is_reached(one, two, there)

    two.run("echo GREETING=hello > /run/operator/variables")
    words = "--env-file /run/operator/variables --add-host=db:10.0.0.7 --name web busybox sleep 1000"
    run = f"weave run 10.9.1.1/24 {words}"
    assert two.run(f"{there} {run}") == one.run("docker inspect -f '{{.Id}}' web")
    assert one.run("docker exec web env | grep GREETING") == "GREETING=hello"
    assert "10.0.0.7     db" in one.run("docker exec web cat /etc/hosts")
    assert one.run("weave ps web").endswith(" 10.9.1.1/24")
    assert one.run("docker inspect -f '{{.Config.Hostname}}' web") == "web.weave.local"

    two.run(f"{there} weave status topology --svg /run/operator/mesh.svg")
    assert two.run("head -c4 /run/operator/mesh.svg") == "<svg"
    refused = two.sh(f"{there} weave attach nobody")
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr == one.sh("weave attach nobody").stderr
    assert (
        two.sh(f"{there} weave launch").stderr
        == "weave is already running\nYou can stop it with 'weave stop-router'.\n"
    )
    _looks_and_tries_there(one, two, there)
    two.run(f"{there} weave detach box && {there} weave hide && {there} weave reset", timeout=120)
    assert one.sh("ip link show weave").status == 1
    assert has_no_helper(one)
    assert two.run("ip -o link | grep -c weave || true") == "0", "nothing happened here"

    wrong = two.sh(f"{there} DOCKER_CERT_PATH=/nonexistent weave launch")
    assert wrong.status == 1 and wrong.stderr.startswith("cannot talk TLS to Docker at tcp://")


def _proxy_is_reached(one: LabHost, two: LabHost, there: str) -> None:
    """At a port, with the certificates of Docker itself; a proxy at a socket only is no use from here."""
    for word, status in (("env", 0), ("config", 1)):
        absent = two.sh(f"{there} weave {word}")
        assert (absent.status, absent.stdout) == (status, "")
        assert absent.stderr == "There is no proxy to point to: 'weave launch-proxy' starts it.\n"
    one.run("weave launch-proxy -H unix:///run/proxy.sock", timeout=120)
    refused = two.sh(f"{there} weave env; weave config")
    assert (refused.status, refused.stdout) == (1, "")
    assert "The proxy listens at unix:///run/proxy.sock only" in refused.stderr
    two.run(f"{there} weave stop-proxy && weave launch-proxy", timeout=120)
    proxy, docker = f"tcp://{one.ip}:12375", f"tcp://{one.ip}:2376"
    assert two.run(f"{there} weave env") == f"export DOCKER_HOST={proxy} ORIG_DOCKER_HOST={docker}"
    seen = two.run(
        f"{there} eval $(weave env) && echo $DOCKER_HOST && docker run --rm busybox hostname -i &&"
        " weave env && eval $(weave env --restore) && echo $DOCKER_HOST &&"
        " docker run --rm busybox hostname -i && docker $(weave config) run --rm busybox hostname -i"
    ).splitlines()
    assert [seen[0], seen[2], seen[3]] == [proxy, f"export DOCKER_HOST={proxy}", docker]
    assert [address.startswith("10.32.") for address in (seen[1], seen[4], seen[5])] == [True, False, True]
    two.run(f"{there} eval $(weave env) && weave stop-proxy")
    assert two.sh(f"{there} weave config").status == 1


def _looks_and_tries_there(one: LabHost, two: LabHost, there: str) -> None:
    """Doctor and trial see what they see on the host itself."""

    def findings(host: LabHost, typed: str) -> list[tuple[str, str]]:
        found = json.loads(host.sh(f"{typed} -o json", timeout=120).stdout)["data"]["findings"]
        return [(one["category"], one["code"]) for one in found]

    seen = findings(two, f"{there} weave doctor")
    assert seen == findings(one, "weave doctor")
    assert {category for category, _ in seen} >= {"kernel", "docker", "ports", "firewall", "plugin"}

    tried = two.sh(f"{there} weave connectivity test --hosts -o json", timeout=120)
    assert tried.status == 0, tried
    targets = json.loads(tried.stdout)["data"]["targets"]
    assert [(one["host"], len(one["probes"]), one["loss"]) for one in targets] == [("", 6, None)]
    assert "weave-test-" not in one.run("docker ps -a --format '{{.Names}}'")
    nobody = two.sh(f"{there} weave connectivity test --hosts nobody")
    assert (nobody.status, nobody.stdout) == (1, "")
    assert nobody.stderr == "the mesh has no host nobody\nIt has: this host only.\n"


def test_command_that_is_interrupted_or_killed_leaves_nothing_elsewhere(
    two_hosts: tuple[LabHost, LabHost],
) -> None:
    one, two = two_hosts
    two.stop_engine()
    # Hosts of the lab share the home of this machine's root.
    there = "export DOCKER_CONFIG=/run/operator;"
    two.run(f"{there} docker context create far --docker host=tcp://$HOST1:2375 && docker context use far")
    with listening(one, "--tls=false", "-H", "tcp://0.0.0.0:2375"):
        one.run("docker run -d --init --name box busybox sleep 1000")
        # Two more hosts will be there, it believes, so nobody gets an address yet.
        two.run(f"{there} weave launch --init-peer-count 3", timeout=120)
        waiting = "TERM=xterm env --default-signal=INT weave attach box"
        with two.terminal(f"{there} set -m; {waiting} & read; kill -INT $!; wait $!") as typed:
            typed.wait_for("waiting for an address")
            until(lambda: not has_no_helper(one), 10, "a helper waits")
            typed.type("")
            assert typed.wait_for_end() == 130
            assert "interrupted" in typed.seen
        assert has_no_helper(one)
        for signal, status in (("TERM", 143), ("KILL", 137)):
            ended = two.sh(f"{there} weave attach box & sleep 1.5; kill -{signal} $!; wait $!")
            assert ended.status == status
            until(lambda: has_no_helper(one), 10, "the helper has ended")
        asked = two.sh(f"{there} weave prime & sleep 1; kill -KILL $!; wait $!")
        assert asked.status == 137
        until(
            lambda: "inside" not in one.run("docker top weaveplugin"),
            10,
            "nobody asks in the plugin's container",
        )
        assert "ethwe" not in one.run("docker exec box ip link")
        two.run(f"{there} weave reset", timeout=60)


def test_user_of_docker_needs_no_root(host: LabHost) -> None:
    # Reads the installation of these tests, wherever it is; may do no more than any other user.
    user = (
        "setpriv --reuid=1000 --regid=1000 --groups=$(stat -c %g /var/run/docker.sock)"
        " --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
    )
    host.run("docker run -d --init --name box busybox sleep 1000")
    host.run(f"{user} weave setup && {user} weave launch", timeout=120)
    assert host.run(f"{user} weave status") == host.run("weave status")
    address = host.run(f"{user} weave attach box")
    assert host.run(f"{user} weave ps box") == host.run("weave ps box")
    assert host.run("weave ps box").endswith(f" {address}/12")
    host.run(f"{user} weave dns-args && {user} weave run --name web busybox sleep 1000")
    assert host.run("weave ps web") != ""
    host.run(f"{user} weave expose && {user} weave reset", timeout=60)
    assert host.sh("ip link show weave").status == 1
    assert has_no_helper(host)
