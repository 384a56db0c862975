"""The password of a network, as an operator gives it: where it ends up, where it does not, whom it admits."""

from __future__ import annotations

import json

from tests.lab.asking import meets, report, start
from tests.lab.checks import pings, until
from tests.lab.hosts import LabHost
from tests.lab.matrix import every_engine

TwoHosts = tuple[LabHost, LabHost]

PASSWORD = "corr3ct-h0rse"
OTHER = "b4ttery-st4ple"


def write(host: LabHost, password: str) -> str:
    """A password file on the host; the option that names it."""
    host.run(f"rm -f /root/weave-password; umask 077; echo '{password}' > /root/weave-password")
    return "--password-file /root/weave-password"


def kept(host: LabHost) -> str:
    """What the router's container keeps, with mode and owner; the empty text: nothing."""
    return host.sh("docker exec weave python -c \"print(open('/weave/password').read())\"").stdout.strip()


def is_encrypting(host: LabHost) -> bool:
    return "Encryption: enabled" in host.sh("weave status").stdout


@every_engine
def test_password_is_in_a_file_that_only_root_reads_and_nowhere_else(host: LabHost) -> None:
    host.run(f"weave launch {write(host, PASSWORD)}", timeout=120)
    assert kept(host) == PASSWORD
    stat = "import os; s = os.stat('/weave/password'); print(oct(s.st_mode), s.st_uid, s.st_gid)"
    assert host.run(f'docker exec weave python -c "{stat}"') == "0o100600 0 0"
    process = host.run("docker inspect -f '{{.State.Pid}}' weave")
    shown = {
        "docker inspect": host.run("docker inspect weave weaveplugin"),
        "docker logs": host.run("docker logs weave 2>&1; docker logs weaveplugin 2>&1"),
        "docker diff": host.run("docker diff weave"),
        "docker events": host.run("docker events --since 0 --until $(date +%s)"),
        "process list": host.run("ps axww -o args"),
        "environment": host.run(f"tr '\\0' '\\n' < /proc/{process}/environ"),
        "volume": host.run("grep -r . $(docker volume inspect -f '{{.Mountpoint}}' weavedb) || true"),
        "status": host.run("weave status; weave status connections; weave status peers"),
        "report": json.dumps(report(host)),
        "engine's log": host.engine_log(10_000),
    }
    assert {where for where, text in shown.items() if PASSWORD in text} == set()
    assert "/weave/password" in shown["docker diff"]
    assert is_encrypting(host)


def test_password_survives_restarts_and_is_replaced_or_removed_by_the_next_launch(host: LabHost) -> None:
    host.run(f"weave launch-router {write(host, PASSWORD)}", timeout=120)
    process = host.run("docker inspect -f '{{.State.Pid}}' weave")
    host.run(f"kill -KILL {process}")
    until(lambda: is_encrypting(host), 30, "the router is back, with its password")
    host.restart_engine()
    until(lambda: is_encrypting(host) and kept(host) == PASSWORD, 60, "and after a restart of the engine")
    host.run("weave stop-router")
    host.run(f"WEAVE_PASSWORD={OTHER} weave launch-router")
    assert (kept(host), is_encrypting(host)) == (OTHER, True)
    host.run("weave stop-router && weave launch-router")
    assert (kept(host), is_encrypting(host)) == ("", False)
    host.run("weave stop-router")
    host.run(f"WEAVE_PASSWORD={OTHER} weave launch-router --password=")
    assert (kept(host), is_encrypting(host)) == ("", False)
    host.run("weave stop-router")
    host.run(f"echo {PASSWORD} | weave launch-router --password-file -")
    assert kept(host) == PASSWORD


def test_password_file_that_others_can_read_starts_nothing(host: LabHost) -> None:
    option = write(host, PASSWORD)
    host.run("chmod 640 /root/weave-password")
    refused = host.sh(f"weave launch {option}")
    assert refused.status == 1
    assert "password file /root/weave-password is open to others (mode 0640)" in refused.stderr
    assert "chmod 600 /root/weave-password" in refused.stderr
    assert PASSWORD not in refused.stderr
    assert host.run("docker ps -aq") == ""


def test_hosts_with_different_passwords_say_so(two_hosts: TwoHosts) -> None:
    one, two = two_hosts
    one.run(f"weave launch-router {write(one, PASSWORD)}", timeout=120)
    two.run(f"weave launch-router {write(two, OTHER)} $HOST1", timeout=120)
    reason = "Unable to decrypt TCP msg: the password of the peer is not ours"
    until(lambda: reason in two.run("weave status connections"), 20, "the dialler tells the reason")
    until(lambda: reason in one.run("docker logs weave 2>&1"), 20, "so does the log of the other")
    two.run("weave stop-router && weave launch-router $HOST1")
    reason = "no password specified, but peer requested an encrypted connection"
    until(lambda: reason in two.run("weave status connections"), 20, "a missing password is told as well")


def test_containers_behind_the_same_password_meet_by_sealed_frames(two_hosts: TwoHosts) -> None:
    one, two = two_hosts
    one.run(f"weave launch {write(one, PASSWORD)}", timeout=120)
    two.run(f"weave launch {write(two, PASSWORD)} $HOST1", timeout=120)
    meets(one, 1)
    meets(two, 1)
    start(one, "foo", "--net=weave -h foo.weave.local")
    start(two, "bar", "--net=weave $(weave dns-args)")
    pings(two, "bar", "foo")
    for host in (one, two):
        assert " established encrypted   sleeve " in host.run("weave status connections")


def test_trusted_hosts_talk_in_clear_behind_the_same_password(two_hosts: TwoHosts) -> None:
    one, two = two_hosts
    trusting = f"--trusted-subnets {one.ip}/32,{two.ip}/32"
    one.run(f"weave launch-router {trusting} {write(one, PASSWORD)}", timeout=120)
    two.run(f"weave launch-router {trusting} {write(two, PASSWORD)} $HOST1", timeout=120)
    meets(one, 1)
    meets(two, 1)
    for host in (one, two):
        assert " established unencrypted vxlan " in host.run("weave status connections")
        assert f"TrustedSubnets: {one.ip}/32, {two.ip}/32" in host.run("weave status")
