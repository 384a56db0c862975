"""The managed plugin: what Docker is given to make it from, and that it is known again."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest

from tests.fakes.docker_client import FakeEngine, pack_files
from weave_cli import __version__
from weave_cli.containers.managed_plugin import (
    create_managed,
    disable_managed,
    find_managed,
    pack_plugin,
    remove_managed,
)
from weave_cli.containers.managed_spec import ManagedHost, make_config
from weave_cli.containers.specs import PluginOptions
from weave_cli.names import COMPONENT_LABEL, LABEL, SWARM_DRIVER
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

HOST = ManagedHost(
    state_directory="/volumes/weavedb/_data",
    docker_socket="/run/docker.sock",
    image_environment=("PATH=/weave/bin", "PYTHONPATH=/a:/b=c"),
    content="abc",
)
CONFIG = make_config(PluginOptions(), read_settings({"WEAVE_HTTP_ADDR": "127.0.0.1:1234"}), HOST)


def test_it_serves_networks_in_the_hosts_network_with_one_capability() -> None:
    assert CONFIG["interface"] == {"types": ["docker.networkdriver/1.0"], "socket": "weave-swarm.sock"}
    assert CONFIG["network"] == {"type": "host"}
    assert CONFIG["linux"] == {"capabilities": ["CAP_NET_ADMIN"]}
    assert {mount["source"]: mount["options"] for mount in CONFIG["mounts"]} == {
        "/volumes/weavedb/_data": ["bind", "rw"],
        "/proc/sys/net": ["bind", "rw"],
        "/run": ["bind", "ro"],
    }


def test_it_finds_python_docker_and_the_router_by_its_variables() -> None:
    assert {entry["name"]: entry["value"] for entry in CONFIG["env"]} == {
        "PATH": "/weave/bin",
        "PYTHONPATH": "/a:/b=c",
        "WEAVE_HTTP_ADDR": "127.0.0.1:1234",
        "DOCKER_HOST": "unix:///weave/docker/docker.sock",
        "WEAVE_PLUGIN_VERSION": __version__,
        "WEAVE_PLUGIN_CONTENT": "abc",
    }


def test_options_are_words_of_its_command() -> None:
    options = PluginOptions(log_level="debug", wants_multicast_route=False)
    words = make_config(options, read_settings({}), HOST)["entrypoint"]
    assert words[:3] == ["python", "-m", "weave_cli.plugin"]
    assert {"--managed", "--log-level=debug", "--no-multicast-route"} <= set(words)


def test_tar_has_the_config_and_below_rootfs_what_was_exported() -> None:
    exported = io.BytesIO()
    with tarfile.open(fileobj=exported, mode="w") as archive:
        for name, kind, target in (
            ("a/", tarfile.DIRTYPE, ""),
            ("a/link", tarfile.SYMTYPE, "/b"),
            ("a/twin", tarfile.LNKTYPE, "a/file"),
            (".dockerenv", tarfile.REGTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    octets = pack_files({"a/file": b"x" * 3000})[:3584] + exported.getvalue()
    pieces = (octets[start : start + 501] for start in range(0, len(octets), 501))
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack_plugin({"env": []}, pieces)))) as packed:
        found = {member.name: (member.type, member.linkname, member.size) for member in packed}
    assert found == {
        "config.json": (tarfile.REGTYPE, "", 11),
        "rootfs": (tarfile.DIRTYPE, "", 0),
        "rootfs/a/file": (tarfile.REGTYPE, "", 3000),
        "rootfs/a": (tarfile.DIRTYPE, "", 0),
        "rootfs/a/link": (tarfile.SYMTYPE, "/b", 0),
        "rootfs/a/twin": (tarfile.LNKTYPE, "rootfs/a/file", 0),
    }


def test_what_was_made_is_known_again() -> None:
    engine = FakeEngine(root_files={"bin/python": b"1"})
    assert find_managed(engine.client) is None
    create_managed(engine.client, CONFIG, image="weave-cli:1")
    assert engine.plugins[SWARM_DRIVER].files == ("config.json", "rootfs", "rootfs/bin/python")
    assert engine.containers == {}
    found = find_managed(engine.client)
    assert found is not None and not found.is_enabled and found.version == __version__
    assert found.is_made_from(CONFIG)
    for other in (
        make_config(PluginOptions(log_level="debug"), read_settings({}), HOST),
        make_config(PluginOptions(), read_settings({}), HOST),
        make_config(
            PluginOptions(), read_settings({"WEAVE_HTTP_ADDR": "127.0.0.1:1234"}), replace(HOST, content="d")
        ),
    ):
        assert not found.is_made_from(other)


def test_container_that_a_kill_leaves_is_known_for_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    client = engine.client
    monkeypatch.setattr(client.api, "export", die)
    monkeypatch.setattr(client.api, "remove_container", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        create_managed(client, CONFIG, image="weave-cli:1")
    (left,) = engine.containers.values()
    assert left.labels == {LABEL: __version__, COMPONENT_LABEL: "helper"}


def test_ends_may_be_repeated() -> None:
    engine = FakeEngine()
    disable_managed(engine.client)
    remove_managed(engine.client)
    create_managed(engine.client, CONFIG, image="weave-cli:1")
    disable_managed(engine.client)
    remove_managed(engine.client)
    assert engine.plugins == {}
