"""The units, and commands that survive the way into them and back."""

from __future__ import annotations

import pytest

from weave_cli.operations.service_units import (
    DROP_IN,
    PLUGIN_UNIT,
    ROUTER_UNIT,
    SOCKET_UNIT,
    ServicePlan,
    plugin_container_arguments,
    plugin_service_command,
    read_command,
    restarts,
    router_container_arguments,
    router_service_command,
    write_units,
)

pytestmark = pytest.mark.unit

_ROUTER = (
    *("python", "-m", "weave_cli.router", "--port=6783", '--nickname=50% of "the" $HOME\\ x'),
    *("--http-addr=127.0.0.1:7784", "--ipalloc-range=", "--no-dns", "--password-file=/weave/password"),
    *("--resolv-conf=/weave/host/resolv/resolv.conf", "host2", "host3:7000"),
)
_PLUGIN = ("python", "-m", "weave_cli.plugin", "--log-level=debug", "--mesh-network-name=")


def plan(
    *, has_plugin: bool = True, has_restart: bool = True, docker_host: str = "unix:///var/run/docker.sock"
) -> ServicePlan:
    router = router_service_command(
        _ROUTER, interpreter="/bin/sh", resolver_file="/run/resolv.conf", has_password=True
    )
    plugin = plugin_service_command(_PLUGIN, interpreter="/bin/sh", http_address="127.0.0.1:7784")
    return ServicePlan(
        router=router,
        plugin=plugin if has_plugin else None,
        docker_host=docker_host,
        router_restarts=has_restart,
    )


def test_router_keeps_its_options_and_peers_at_the_places_of_a_service() -> None:
    assert plan().router == (
        *("/bin/sh", "-m", "weave_cli.router", "--port=6783", '--nickname=50% of "the" $HOME\\ x'),
        *("--ipalloc-range=", "--no-dns", "--password-file=/var/lib/weave-service/password"),
        *(
            "--state-dir=/var/lib/weave-service",
            "--resolv-conf=/run/resolv.conf",
            "--http-addr=127.0.0.1:7784",
        ),
        *("--dns-address-may-come", "host2", "host3:7000"),
    )


def test_a_service_is_made_of_itself_again() -> None:
    first = plan().router
    again = router_service_command(
        first, interpreter="/bin/sh", resolver_file="/run/resolv.conf", has_password=True
    )
    assert again == first


def test_the_way_back_to_containers_resumes() -> None:
    assert router_container_arguments(plan().router, resolver_name="resolv.conf") == (
        *("--port=6783", '--nickname=50% of "the" $HOME\\ x', "--ipalloc-range=", "--no-dns"),
        *("--password-file=/weave/password", "--resolv-conf=/weave/host/resolv/resolv.conf"),
        *("--http-addr=127.0.0.1:7784", "--resume"),
    )
    assert plugin_container_arguments(plan().plugin or ()) == _PLUGIN[3:]


def test_commands_come_out_of_the_units_as_they_went_in() -> None:
    units = write_units(plan())
    assert read_command(units[ROUTER_UNIT]) == plan().router
    assert read_command(units[PLUGIN_UNIT]) == plan().plugin
    assert read_command("") == ()


def test_what_shall_not_come_back_is_told_from_the_rest() -> None:
    units = write_units(plan(has_restart=False))
    assert not restarts(units[ROUTER_UNIT]) and "Restart=always" not in units[ROUTER_UNIT]
    assert restarts(units[PLUGIN_UNIT]) and "Restart=always" in units[PLUGIN_UNIT]


def test_the_environment_knows_specifiers_and_no_variables() -> None:
    units = write_units(plan(docker_host="unix:///run/50%/$USER.sock"))
    assert 'Environment="DOCKER_HOST=unix:///run/50%%/$USER.sock"' in units[PLUGIN_UNIT].splitlines()


def test_nothing_of_a_plugin_that_nobody_wants() -> None:
    assert set(write_units(plan(has_plugin=False))) == {ROUTER_UNIT, DROP_IN}


def test_all_are_ordered_before_docker_and_none_can_keep_it_from_starting() -> None:
    units = write_units(plan())
    assert all("Before=docker.service" in units[name] for name in (ROUTER_UNIT, PLUGIN_UNIT, SOCKET_UNIT))
    assert not any(word in units[DROP_IN] for word in ("Requires=", "BindsTo=", "Wants="))
    assert "TimeoutStartSec=0" in units[DROP_IN]
