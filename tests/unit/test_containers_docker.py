"""Our containers and networks in an engine that lives in memory."""

from __future__ import annotations

import gc
import warnings
from dataclasses import replace

import docker
import pytest
import requests
from docker.errors import DockerException

from tests.fakes.docker_client import FakeEngine, refusal
from weave_cli.containers import lifecycle, lookup, networks
from weave_cli.containers.client import check_engine_version, open_docker, translated
from weave_cli.containers.specs import ContainerSpec, Mount
from weave_cli.errors import DockerProblem
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_SPEC = ContainerSpec(
    name="weave",
    component="router",
    image="weave-cli:1",
    command=("python",),
    environment=(),
    capabilities=("NET_ADMIN",),
    mounts=(
        Mount(source="weavedb", target="/weavedb"),
        Mount(source="/proc/sys/net", target="/weave/sys/net"),
    ),
    devices=("/dev/net/tun",),
)


def test_container_is_made_to_survive_and_without_more_rights_than_named() -> None:
    engine = FakeEngine()
    lifecycle.create_container(engine.client, _SPEC)
    made = engine.containers["weave"].host_config
    assert made["network_mode"] == "host"
    assert made["restart_policy"]["Name"] == "always"
    assert (made["cap_drop"], made["cap_add"]) == (["ALL"], ["NET_ADMIN"])
    assert made["binds"] == ["weavedb:/weavedb:rw", "/proc/sys/net:/weave/sys/net:rw"]
    assert made["devices"] == ["/dev/net/tun:/dev/net/tun:rwm"]
    assert made["log_config"]["Config"]["max-size"]
    assert "privileged" not in made
    assert engine.volumes == {"weavedb"}


def test_container_that_is_not_to_restart_has_a_policy_that_says_so() -> None:
    engine = FakeEngine()
    lifecycle.create_container(engine.client, replace(_SPEC, restarts=False))
    assert engine.containers["weave"].host_config["restart_policy"]["Name"] == "no"


def test_found_container_is_ours_by_its_label_only() -> None:
    engine = FakeEngine()
    engine.add_container("weave", status="running")
    found = lookup.find_our_container(engine.client, "weave")
    assert found is not None
    assert not found.is_ours
    engine.add_ours("weaveplugin")
    found = lookup.find_our_container(engine.client, "weaveplugin")
    assert found is not None
    assert (found.is_ours, found.version) == (True, "0.1.0")
    assert lookup.find_our_container(engine.client, "nobody") is None


def test_running_containers_have_pids_and_stopped_ones_are_not_found() -> None:
    engine = FakeEngine()
    engine.add_container("a", status="running", pid=7, host_config={"NetworkMode": "weave"})
    engine.add_container("b", status="running", pid=8, host_config={"NetworkMode": "host"})
    engine.add_container("c", status="exited")
    found = list(lookup.list_running(engine.client))
    assert [(each.name, each.pid, each.has_own_network) for each in found] == [
        ("a", 7, True),
        ("b", 8, False),
    ]
    assert lookup.find_running(engine.client, "c") is None


def test_removing_and_stopping_what_is_gone_is_no_error() -> None:
    engine = FakeEngine()
    lifecycle.stop_container(engine.client, "weave")
    lifecycle.remove_container(engine.client, "weave")
    lifecycle.remove_volume(engine.client)
    assert not lifecycle.has_volume(engine.client)


def test_only_networks_of_our_drivers_are_ours() -> None:
    engine = FakeEngine()
    engine.add_network("weave", "bridge")
    engine.add_network("mine", "weavemesh", {"abc": "web"})
    engine.add_network("wide", "weave")
    assert [network.name for network in networks.list_our_networks(engine.client)] == ["mine", "wide"]


def test_users_own_bridge_network_called_weave_is_not_ours() -> None:
    engine = FakeEngine()
    engine.add_network("weave", "bridge")
    assert networks.find_our_network(engine.client, "weave") is None


def test_left_over_endpoint_is_disconnected_by_its_name() -> None:
    engine = FakeEngine()
    engine.add_network("mine", "weavemesh", {"ep-1234": "web", "abc": "db"})
    network = networks.find_our_network(engine.client, "mine")
    assert network is not None
    for attached in network.attached:
        networks.disconnect(engine.client, network, attached)
    assert engine.calls == ["disconnect abc", "disconnect web"]
    for attached in network.attached:  # and again, when there is nothing left
        networks.disconnect(engine.client, network, attached)


def test_last_words_of_a_container_that_is_gone_are_none() -> None:
    assert lookup.read_last_log_lines(FakeEngine().client, "weave", count=3) == ()


@pytest.mark.parametrize("version", ["19.03.15", "1.13.1", "20.9"])
def test_old_engine_is_refused_with_the_version_needed(version: str) -> None:
    with pytest.raises(DockerProblem, match=version) as caught:
        check_engine_version(version)
    assert "20.10" in (caught.value.hint or "")


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "28.5.2", "dev", ""])
def test_engine_that_is_new_or_unknown_passes(version: str) -> None:
    check_engine_version(version)


@pytest.mark.parametrize("where", ["tcp://:99999", "tcp://there:port", "tcp://[::1"])
def test_docker_host_that_is_no_address_is_named(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", where)
    with pytest.raises(DockerProblem) as caught:
        open_docker(read_settings())
    assert caught.value.message.startswith(f"cannot reach Docker at {where}: ")
    assert "DOCKER_HOST" in (caught.value.hint or "")


def test_engine_that_is_too_old_for_the_sdk_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker.APIClient, "_retrieve_server_version", lambda _: "1.23")
    with pytest.raises(DockerProblem, match="too old") as caught:
        open_docker(read_settings())
    assert "20.10" in (caught.value.hint or "")


def test_docker_that_is_not_there_is_named_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    message = hint = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK leaves the socket to the collector
        try:
            open_docker(read_settings())
        except DockerProblem as problem:
            message, hint = problem.message, problem.hint or ""
        gc.collect()
    assert message == "cannot reach Docker at unix:///nonexistent/docker.sock: No such file or directory"
    assert "running" in hint


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (refusal("no space left"), "cannot act: no space left"),
        (requests.ReadTimeout(), "cannot act: Docker did not answer within 180 s"),
        (DockerException("odd\nand more"), "cannot act: odd"),
    ],
)
def test_errors_of_the_sdk_become_one_line(raised: Exception, message: str) -> None:
    with pytest.raises(DockerProblem) as caught, translated("act"):
        raise raised
    assert caught.value.message == message
