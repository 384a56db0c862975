"""The environment as values."""

from __future__ import annotations

import pytest

from weave_cli.errors import UsageProblem
from weave_cli.settings import read_settings, wants_trace

pytestmark = pytest.mark.unit


def test_empty_environment_gives_the_defaults_of_the_specification() -> None:
    settings = read_settings({})
    assert (settings.port, settings.http_address, settings.docker_bridge) == (
        6783,
        "127.0.0.1:6784",
        "docker0",
    )
    assert settings.docker_socket == "/var/run/docker.sock"
    assert settings.mtu_bytes is None
    assert settings.wants_plugin
    assert settings.password is None
    assert settings.ignored == ()


def test_values_are_taken_over() -> None:
    settings = read_settings(
        {
            "WEAVE_PORT": "7000",
            "WEAVE_HTTP_ADDR": "127.0.0.2:7001",
            "WEAVE_MTU": "8916",
            "DOCKER_BRIDGE": "br-x",
            "WEAVE_NO_PLUGIN": "1",
            "WEAVE_PASSWORD": "secret",
            "WEAVE_NO_BRIDGED_FASTDP": "1",
        }
    )
    assert (settings.port, settings.http_address, settings.docker_bridge) == (7000, "127.0.0.2:7001", "br-x")
    assert settings.mtu_bytes == 8916
    assert not settings.wants_plugin
    assert settings.password == "secret"
    assert settings.ignored == ("WEAVE_NO_BRIDGED_FASTDP",)


def test_password_does_not_show_itself() -> None:
    assert "secret" not in repr(read_settings({"WEAVE_PASSWORD": "secret"}))


def test_empty_password_is_none() -> None:
    assert read_settings({"WEAVE_PASSWORD": ""}).password is None


@pytest.mark.parametrize(
    ("docker_host", "socket"),
    [("unix:///srv/docker.sock", "/srv/docker.sock"), ("tcp://10.0.0.1:2375", "/var/run/docker.sock")],
)
def test_docker_socket_follows_a_unix_docker_host(docker_host: str, socket: str) -> None:
    assert read_settings({"DOCKER_HOST": docker_host}).docker_socket == socket


def test_empty_original_docker_host_differs_from_none() -> None:
    assert read_settings({"ORIG_DOCKER_HOST": ""}).original_docker_host == ""
    assert read_settings({}).original_docker_host is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEAVE_PORT", "weave"),
        ("WEAVE_PORT", "65535"),  # data needs the port after it
        ("WEAVE_PORT", "²"),
        ("WEAVE_MTU", "100"),
        ("WEAVE_HTTP_ADDR", "127.0.0.1"),
        ("DOCKER_API_VERSION", "latest"),
        ("WEAVE_STATUS_ADDR", "127.0.0.1"),
        ("WEAVE_CONTAINER_NAME", "a/b"),
        ("WEAVE_CONTAINER_NAME", "weaveplugin"),
    ],
)
def test_bad_value_is_refused_by_name_and_value(name: str, value: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        read_settings({name: value})
    assert name in caught.value.message
    assert repr(value) in caught.value.message
    assert caught.value.hint


def test_http_address_without_host_means_loopback() -> None:
    assert read_settings({"WEAVE_HTTP_ADDR": ":7001"}).http_address == "127.0.0.1:7001"


def test_trace_is_asked_for_even_when_other_variables_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAVE_PORT", "nonsense")
    monkeypatch.setenv("WEAVE_DEBUG", "1")
    assert wants_trace()


def test_words_for_the_docker_command_are_kept() -> None:
    settings = read_settings({"DOCKER_CLIENT_ARGS": "-H tcp://10.0.0.1:2375 --debug"})
    assert settings.client_arguments == ("-H", "tcp://10.0.0.1:2375", "--debug")
    assert settings.docker_place == "tcp://10.0.0.1:2375"


@pytest.mark.parametrize(("value", "version"), [("1.41", "1.41"), ("v1.44", "1.44"), ("", None)])
def test_version_of_the_engine_s_api_is_the_user_s(value: str, version: str | None) -> None:
    assert read_settings({"DOCKER_API_VERSION": value}).api_version == version


def test_volume_is_called_after_the_router_s_container() -> None:
    assert (read_settings({}).router_container, read_settings({}).state_volume) == ("weave", "weavedb")
    assert read_settings({"WEAVE_CONTAINER_NAME": "w2"}).state_volume == "w2db"
