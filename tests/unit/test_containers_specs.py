"""What our containers are made from."""

from __future__ import annotations

import pytest

from weave_cli.containers.proxy_spec import ProxyOptions, make_proxy_spec
from weave_cli.containers.specs import (
    ContainerSpec,
    HostFacts,
    PluginOptions,
    RouterOptions,
    find_mesh_network_name,
    make_plugin_spec,
    make_router_spec,
)
from weave_cli.names import COMPONENT_LABEL, LABEL
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_HOST = HostFacts(
    hostname="host1",
    docker_bridge_address="172.17.0.1",
    resolver_file="/run/systemd/resolve/stub-resolv.conf",
    identity_files=("/etc/machine-id", "/sys/class/dmi/id/product_uuid"),
)


def _router(options: RouterOptions, **environment: str) -> ContainerSpec:
    return make_router_spec(options, read_settings(environment), _HOST, image="weave-cli:1")


def test_router_without_options_is_told_of_the_host_only() -> None:
    assert _router(RouterOptions()).command == (
        "python",
        "-m",
        "weave_cli.router",
        "--port=6783",
        "--nickname=host1",
        "--http-addr=127.0.0.1:6784",
        "--docker-bridge=docker0",
        "--dns-listen-address=172.17.0.1:53",
        "--resolv-conf=/weave/host/resolv/stub-resolv.conf",
    )


def test_every_router_option_is_passed_on_and_peers_come_last() -> None:
    options = RouterOptions(
        peers=("host2", "host3:6000"),
        nickname="n",
        name="7a:00:00:00:00:01",
        ipalloc_range="10.2.0.0/16",
        ipalloc_default_subnet="10.2.3.0/24",
        ipalloc_init="consensus=3",
        connection_limit=7,
        trusted_subnets="10.0.0.0/8,192.168.0.0/16",
        lowest_protocol_version=2,
        wants_discovery=False,
        dns_domain="foo.",
        port=7000,
        log_level="debug",
    )
    command = _router(options, WEAVE_MTU="1400").command
    assert command[-2:] == ("host2", "host3:6000")
    assert {
        "--nickname=n",
        "--name=7a:00:00:00:00:01",
        "--ipalloc-range=10.2.0.0/16",
        "--ipalloc-default-subnet=10.2.3.0/24",
        "--ipalloc-init=consensus=3",
        "--conn-limit=7",
        "--trusted-subnets=10.0.0.0/8,192.168.0.0/16",
        "--min-protocol-version=2",
        "--no-discovery",
        "--dns-domain=foo.",
        "--port=7000",
        "--log-level=debug",
        "--mtu=1400",
    } < set(command)
    assert "--no-dns" not in command


def test_router_that_resumes_is_told_of_no_peer() -> None:
    command = _router(RouterOptions(resumes=True)).command
    assert "--resume" in command
    assert command[-1].startswith("--resolv-conf=")


def test_both_containers_restart_unless_that_is_not_wanted() -> None:
    def plugin(options: PluginOptions) -> bool:
        return make_plugin_spec(options, read_settings({}), image="weave-cli:1").restarts

    assert (_router(RouterOptions()).restarts, plugin(PluginOptions())) == (True, True)
    assert not _router(RouterOptions(restarts=False)).restarts
    assert not plugin(PluginOptions(restarts=False))


def test_empty_range_is_passed_on_since_it_means_no_allocator() -> None:
    assert "--ipalloc-range=" in _router(RouterOptions(ipalloc_range="")).command


def test_router_without_dns_listens_nowhere() -> None:
    command = _router(RouterOptions(wants_dns=False)).command
    assert "--no-dns" in command
    assert not any(word.startswith("--dns-listen-address") for word in command)


def test_containers_have_named_rights_only() -> None:
    plugin = make_plugin_spec(PluginOptions(), read_settings({}), image="weave-cli:1")
    assert _router(RouterOptions()).capabilities == ("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE")
    assert plugin.capabilities == ("NET_ADMIN",)
    assert (_router(RouterOptions()).devices, plugin.devices) == (("/dev/net/tun",), ())


def test_router_sees_resolvers_and_identity_of_the_host_but_cannot_write_them() -> None:
    mounts = {mount.target: mount for mount in _router(RouterOptions()).mounts}
    assert mounts["/weave/host/resolv"].source == "/run/systemd/resolve"
    assert mounts["/weave/host/etc/machine-id"].source == "/etc/machine-id"
    assert all(mount.is_read_only for target, mount in mounts.items() if target.startswith("/weave/host"))
    assert "/var/run/docker.sock" not in mounts


def test_plugin_options_are_passed_on() -> None:
    options = PluginOptions(log_level="warning", mesh_network_name="", wants_multicast_route=False)
    command = make_plugin_spec(options, read_settings({}), image="weave-cli:1").command
    assert command[3:] == ("--log-level=warning", "--mesh-network-name=", "--no-multicast-route")


def test_plugin_and_proxy_see_the_directory_of_dockers_socket() -> None:
    settings = read_settings({"DOCKER_HOST": "unix:///srv/d.sock", "WEAVE_HTTP_ADDR": "127.0.0.1:7001"})
    plugin = make_plugin_spec(PluginOptions(), settings, image="weave-cli:1")
    proxy = make_proxy_spec(ProxyOptions(), settings, image="weave-cli:1", docker_socket="/run/user/d.sock")
    for spec, directory in ((plugin, "/srv"), (proxy, "/run/user")):
        (mount,) = [mount for mount in spec.mounts if mount.is_shallow]
        assert (mount.source, mount.target, mount.is_read_only) == (directory, "/weave/docker", True)
        assert ("DOCKER_HOST", "unix:///weave/docker/d.sock") in spec.environment
    assert ("WEAVE_HTTP_ADDR", "127.0.0.1:7001") in plugin.environment


def test_labels_tell_version_and_component() -> None:
    labels = _router(RouterOptions()).labels
    assert labels[COMPONENT_LABEL] == "router"
    assert labels[LABEL]


@pytest.mark.parametrize(
    ("command", "name"),
    [(["x"], "weave"), (["--mesh-network-name=foo"], "foo"), (["--mesh-network-name="], "")],
)
def test_network_name_is_read_back_from_a_command_line(command: list[str], name: str) -> None:
    assert find_mesh_network_name(command, default="weave") == name


def test_router_is_called_and_listens_as_variables_say() -> None:
    spec = _router(
        RouterOptions(), WEAVE_CONTAINER_NAME="w2", WEAVE_STATUS_ADDR="0.0.0.0:6782", WEAVE_NO_FASTDP="1"
    )
    assert (spec.name, spec.volumes) == ("w2", ("w2db",))
    assert {"--status-addr=0.0.0.0:6782", "--no-fastdp"} < set(spec.command)
    assert not any("status" in word or "fastdp" in word for word in _router(RouterOptions()).command)


def test_operator_s_options_are_added_to_ours() -> None:
    extra = _router(RouterOptions(), WEAVE_DOCKER_ARGS="-m 1g --label a=b").extra
    assert (extra.host_config, extra.labels) == ({"Memory": 1 << 30}, {"a": "b"})
    settings = read_settings({"WEAVEPLUGIN_DOCKER_ARGS": "--cpus=0.5"})
    plugin = make_plugin_spec(PluginOptions(), settings, image="weave-cli:1")
    assert plugin.extra.host_config == {"NanoCpus": 500_000_000}
