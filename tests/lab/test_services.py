"""Boots by a real systemd: no container is left down, whether Docker or systemd starts router and plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.checks import until
from tests.lab.hosts import LabHost
from tests.lab.systemd import bring_systemd

_LIMIT_S = 60.0
_UNITS = "/etc/systemd/system/weave-router.service /etc/systemd/system/weave-plugin.s*"


@pytest.fixture
def booting(host: LabHost) -> Iterator[LabHost]:
    """A host with containers `always` and `kept` (unless-stopped) on two networks, and `stopped` by hand."""
    bring_systemd(host)
    host.run("weave launch --nickname boots", timeout=120)
    host.run("docker network create --driver weave --ipam-driver weave shop")
    host.run("docker run -d --init --restart=always --net=weave --name always busybox sleep 1d")
    host.run("docker run -d --init --restart=unless-stopped --net=shop --name kept busybox sleep 1d")
    host.run("docker run -d --init --restart=unless-stopped --net=weave --name stopped busybox sleep 1d")
    host.run("docker stop stopped")
    yield host
    host.replace()  # its systemd goes with it


def running(host: LabHost) -> set[str]:
    return set(host.run("docker ps --format '{{.Names}}'").split())


def comes_up(host: LabHost) -> None:
    """All that should run does; what was stopped does not, also not a moment later."""
    until(lambda: {"always", "kept"} <= running(host), _LIMIT_S, "the containers are up")
    until(lambda: host.sh("weave status").status == 0, _LIMIT_S, "the router is ready")
    assert "stopped" not in running(host)
    own = host.run("docker inspect -f '{{.NetworkSettings.Networks.weave.IPAddress}}' always")
    assert host.sh("docker exec always ip -o address").stdout.count(f" {own}/") == 1


@pytest.mark.parametrize("engine", ["20.10", "28.5"], indirect=True)
def test_no_container_is_left_down(booting: LabHost) -> None:
    host = booting
    # Containers of ours: Docker is up before they are.
    host.power_off()
    host.boot()
    comes_up(host)
    said = host.run("docker logs weaveplugin 2>&1")
    assert "container always" in said and "container kept" in said and "container stopped" not in said
    # A plugin that is killed leaves nothing that Docker would wait for at its start.
    host.run("docker update --restart=no weaveplugin && docker kill weaveplugin")
    assert host.sh("test -S /run/docker/plugins/weavemesh.sock").status != 0
    host.kill_engine()
    host.start_engine()
    host.run("docker update --restart=always weaveplugin && docker start weaveplugin")
    until(lambda: "always" in running(host), _LIMIT_S, "the container is up")
    # Docker stops at its start what a crash of its has left running, and then takes `unless-stopped` for
    # stopped by hand, on any network.
    host.run("docker start kept")
    comes_up(host)
    # Services: they are up before Docker is.
    before = host.run("weave report -f '{{.Router.Name}}'")
    host.run("weave install-service", timeout=120)
    assert running(host) == {"always", "kept"}
    assert host.run("weave report -f '{{.Router.Name}} {{.Router.NickName}}'") == f"{before} boots"
    host.restart_engine()
    comes_up(host)
    host.power_off()
    host.boot()
    comes_up(host)
    host.run("docker run --rm --net=weave $(weave dns-args) busybox nslookup always.weave.local")


def test_commands_act_on_services(booting: LabHost) -> None:
    host = booting
    listed = json.loads(host.run("weave install-service --dry-run -o json"))["data"]["deeds"]
    assert [deed["act"] for deed in listed] == ["write"] * 4
    # What fails is undone.
    override = "/etc/systemd/system/weave-plugin.service.d"
    host.run(f"mkdir {override}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{override}/fails.conf")
    failed = host.sh("weave install-service", timeout=120)
    assert failed.status == 1 and "weave-plugin.service" in failed.stderr
    host.run(f"rm -r {override}")
    assert running(host) == {"weave", "weaveplugin", "always", "kept"}
    assert host.sh(f"ls {_UNITS} /var/lib/weave-service").stdout == ""
    # What a power failure cuts off is brought to its end by the next one.
    host.sh("weave install-service >/dev/null 2>&1 &")
    until(lambda: host.sh("systemctl is-enabled weave-router").status == 0, _LIMIT_S, "services come")
    host.power_off()
    host.boot()
    host.run("weave install-service", timeout=120)
    comes_up(host)
    assert running(host) == {"always", "kept"}
    assert "weavedb" not in host.run("docker volume ls")
    host.run("weave install-service", timeout=120)  # once more is as good
    assert host.sh(f"systemd-analyze verify --man=no {_UNITS}").stderr == ""
    assert "journalctl" not in host.run("weave doctor || test $? = 11", timeout=120)
    host.stop_engine()
    assert "the plugin serves" in host.sh("weave doctor").stdout
    host.start_engine()
    # One that is killed comes back, and Docker has waited at the socket meanwhile.
    host.run("kill -KILL $(pgrep -f 'weave_cli[.]plugin')")
    host.run("docker run --rm --net=weave busybox true")
    # What is stopped stays so over a boot; what is launched has the options of that launch.
    host.run("weave stop", timeout=120)
    assert host.sh("ls /run/docker/plugins/*.sock").stdout == ""
    assert "weave-router.service" in host.sh("weave status").stderr
    host.power_off()
    host.boot()
    assert host.sh("weave status").status != 0
    host.run("weave launch --nickname other --no-restart", timeout=120)
    assert host.sh("systemctl is-enabled weave-router weave-plugin").stdout == "disabled\ndisabled\n"
    assert host.run("weave report -f '{{.Router.NickName}}'") == "other"
    comes_up(host)
    # And back.
    host.run("weave install-service --uninstall", timeout=120)
    assert {"weave", "weaveplugin"} < running(host)
    policies = "docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' weave weaveplugin"
    assert host.run(policies).split() == ["no", "no"]
    assert host.run("weave report -f '{{.Router.NickName}}'") == "other"
    assert host.sh(f"ls {_UNITS} /var/lib/weave-service").stdout == ""
    host.run("weave install-service", timeout=120)
    host.run("weave reset --force", timeout=120)
    left = f"ls {_UNITS} /etc/systemd/system/docker.service.d /var/lib/weave-service /etc/docker/plugins/*"
    assert host.sh(left).stdout == ""
