"""What must hold before router and plugin start, however they are going to run. Changes nothing."""

from __future__ import annotations

from weave_cli.containers import lifecycle, networks
from weave_cli.containers.client import Docker
from weave_cli.containers.specs import (
    ContainerSpec,
    PluginOptions,
    RouterOptions,
    find_mesh_network_name,
    make_plugin_spec,
    make_router_spec,
)
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import UsageProblem
from weave_cli.names import GLOBAL_DRIVER, MESH_DRIVER, MESH_NETWORK, image_name
from weave_cli.operations import preflight
from weave_cli.operations.host_facts import read_host_facts
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings


def check_router(
    settings: Settings, options: RouterOptions, password: bytes | None, reporter: Reporter
) -> ContainerSpec:
    """What a router with these options runs as; raises what stands against it on this host."""
    preflight.check_subnet(options.ipalloc_range, options.ipalloc_default_subnet)
    preflight.check_tun()
    preflight.check_first_ring(options.ipalloc_range, options.ipalloc_init)
    preflight.check_range(options.ipalloc_range, reporter)
    for variable in settings.ignored:
        reporter.notice(f"WARNING: {variable} is set, but has no effect.", NoticeCode.IGNORED)
    if options.trusted_subnets and password is None:
        reporter.notice("WARNING: --trusted-subnets has no effect without a password.", NoticeCode.IGNORED)
    host = read_host_facts(settings)
    if options.wants_dns and host.docker_bridge_address is None:
        raise UsageProblem(
            f"the bridge {settings.docker_bridge} has no address for weaveDNS to listen on",
            hint="Name Docker's bridge in DOCKER_BRIDGE, or launch with --no-dns.",
            code=Code.BRIDGE_MISSING,
        )
    preflight.check_ports(
        settings.port if options.port is None else options.port,
        settings.http_address,
        host.docker_bridge_address if options.wants_dns else None,
    )
    return make_router_spec(options, settings, host, image=image_name(), password=password)


def check_network(client: Docker, options: PluginOptions, settings: Settings) -> None:
    """Refuse when the automatic network's name is taken: the plugin would wait for it for ever."""
    command = make_plugin_spec(options, settings, image=image_name()).command
    name = find_mesh_network_name(command, default=MESH_NETWORK)
    facts = networks.find_facts(client, name) if name else None
    if facts is not None and facts["Name"] == name and facts["Driver"] not in (MESH_DRIVER, GLOBAL_DRIVER):
        raise lifecycle.NameTaken(
            f"cannot launch the plugin: there is a network named {name} already (driver {facts['Driver']})",
            hint=f"Remove it: docker network rm {name}. Or choose another name with --mesh-network-name.",
        )
