"""Launch router and plugin on a host that has our units: as services, with the options of this launch.

What fails half-way is undone: the services are off then, and the units as this launch wrote them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from weave_cli.api.sync import RouterClient
from weave_cli.containers import lifecycle, networks
from weave_cli.containers.client import Docker
from weave_cli.containers.proxy_spec import ProxyOptions
from weave_cli.containers.specs import PluginOptions, RouterOptions, find_mesh_network_name, make_plugin_spec
from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host import systemd
from weave_cli.interrupts import undoing
from weave_cli.names import MESH_NETWORK, PLUGIN_CONTAINER, ROUTER_CONTAINER, image_name
from weave_cli.operations import service_units, services
from weave_cli.operations.feeding import feed_router
from weave_cli.operations.host_facts import read_host_facts
from weave_cli.operations.launch_checks import check_network, check_router
from weave_cli.operations.launched import Launched
from weave_cli.operations.passwords import choose_password
from weave_cli.operations.plugin_absence import declare_absence
from weave_cli.operations.plugin_sockets import is_plugin_listening
from weave_cli.operations.proxy import find_running_proxy, launch_proxy, proxy_undone_on_failure
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.service_units import PLUGIN_UNIT, ROUTER_UNIT, SERVICE_PASSWORD, ServicePlan
from weave_cli.settings import Settings

_POLL_S: Final = 0.1
_LIMIT_S: Final = 60.0
_LOG_LINES: Final = 10


def launch(
    client: Docker,
    settings: Settings,
    router: RouterOptions,
    plugin: PluginOptions,
    reporter: Reporter,
    *,
    proxy: ProxyOptions | None = None,
) -> Launched:
    """Both, and the proxy, as a container, if one is wanted. Plugin and proxy that run are left alone."""
    _check_not_running(ROUTER_CONTAINER, "router")
    if settings.wants_plugin and services.find_service(PLUGIN_CONTAINER) is None:
        check_network(client, plugin, settings)
    router_name = launch_router(client, settings, router, reporter)
    with undone_on_failure(ROUTER_UNIT), ExitStack() as undoings:
        proxy_id = None
        if proxy is not None:
            undoings.enter_context(proxy_undone_on_failure(client))
            running = find_running_proxy(client)
            proxy_id = running.id if running else launch_proxy(client, settings, proxy, reporter)
        plugin_name = launch_plugin(client, settings, plugin, reporter) if settings.wants_plugin else None
    return Launched(router=router_name, plugin=plugin_name, proxy=proxy_id)


def launch_router(client: Docker, settings: Settings, options: RouterOptions, reporter: Reporter) -> str:
    """The router, ready to serve; answers the name of its service."""
    _check_not_running(ROUTER_CONTAINER, "router")
    password = choose_password(options, settings)
    spec = check_router(settings, options, password, reporter)
    save_password(password)
    command = service_units.router_service_command(
        spec.command,
        interpreter=sys.executable,
        resolver_file=read_host_facts(settings).resolver_file,
        has_password=password is not None,
    )
    plan = replace(make_plan(settings, router=command), router_restarts=options.restarts)
    services.write(service_units.write_units(plan))
    services.forget_launch()
    serve_router(client, command, reporter)
    return ROUTER_UNIT


def launch_plugin(client: Docker, settings: Settings, options: PluginOptions, reporter: Reporter) -> str:
    """The plugin, listening and its network made; answers the name of its service."""
    if services.find_service(PLUGIN_CONTAINER) is not None:
        return PLUGIN_UNIT
    check_network(client, options, settings)
    command = service_units.plugin_service_command(
        make_plugin_spec(options, settings, image=image_name()).command,
        interpreter=sys.executable,
        http_address=settings.http_address,
    )
    plan = replace(make_plan(settings, plugin=command), plugin_restarts=options.restarts)
    services.write(service_units.write_units(plan))
    serve_plugin(client, command, reporter)
    return PLUGIN_UNIT


def serve_router(client: Docker, command: tuple[str, ...], reporter: Reporter) -> None:
    """Start the service as its unit says, and wait until it serves."""
    api = RouterClient(service_units.find_http_address(command))
    reporter.progress(f"starting {ROUTER_UNIT}")
    with undone_on_failure(ROUTER_UNIT):
        services.start_router()
        _wait_until(api.is_ready, ROUTER_UNIT, reporter)
        feed_router(client, api, reporter)


def serve_plugin(client: Docker, command: tuple[str, ...], reporter: Reporter) -> None:
    """The same of the plugin, with its sockets."""
    api = RouterClient(service_units.find_http_address(command))
    network = find_mesh_network_name(command, default=MESH_NETWORK)
    wants_network = bool(network) and api.is_ready() and api.has_allocator()

    def is_serving() -> bool:
        return is_plugin_listening() and (
            not wants_network or networks.find_our_network(client, network) is not None
        )

    declare_absence(reporter)
    reporter.progress(f"starting {PLUGIN_UNIT}")
    with undone_on_failure(PLUGIN_UNIT):
        services.start_plugin()
        _wait_until(is_serving, PLUGIN_UNIT, reporter)


def make_plan(
    settings: Settings, *, router: tuple[str, ...] = (), plugin: tuple[str, ...] = ()
) -> ServicePlan:
    """With these commands; where one is missing, with that of the unit that is there."""
    units = [systemd.read_unit(name) or "" for name in (ROUTER_UNIT, PLUGIN_UNIT)]
    old_router, old_plugin = map(service_units.read_command, units)
    return ServicePlan(
        router=router or old_router,
        plugin=plugin or old_plugin or None,
        docker_host=f"unix://{settings.docker_socket}",
        router_restarts=service_units.restarts(units[0]),
        plugin_restarts=service_units.restarts(units[1]),
    )


def save_password(password: bytes | None) -> None:
    """For the router alone to read; without one, none is there."""
    path = Path(SERVICE_PASSWORD)
    path.unlink(missing_ok=True)
    if password is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(password + b"\n")


@contextmanager
def undone_on_failure(unit: str) -> Iterator[None]:
    """The service is off again when anything goes wrong, an interrupt included."""
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            services.stop(unit)
        raise


def _check_not_running(name: str, component: str) -> None:
    found = services.find_service(name)
    if found is not None and found.is_running:
        raise lifecycle.AlreadyRunning(
            f"{found.name} is already running", hint=f"You can stop it with 'weave stop-{component}'."
        )


def _wait_until(is_ready: Callable[[], bool], unit: str, reporter: Reporter) -> None:
    reporter.progress(f"waiting for {unit}")
    started = time.monotonic()
    while not is_ready():
        facts = systemd.read_properties(unit, "ActiveState", "NRestarts")
        is_dead = facts.get("ActiveState") == "failed" or int(facts.get("NRestarts") or 0) > 0
        if is_dead or time.monotonic() - started > _LIMIT_S:
            said = "\n".join(f"  {line}" for line in services.read_last_log_lines(unit, count=_LOG_LINES))
            raise HostProblem(
                f"{unit} {'died while it started' if is_dead else 'was not ready in time'};"
                f" the last it said:\n{said or '  (nothing)'}",
                hint=f"It was switched off again. See 'journalctl --unit={unit}'.",
                code=Code.START_FAILED,
            )
        time.sleep(_POLL_S)
