"""Router and plugin as services of systemd instead of containers, and back; their options and state go along.

Services are up before Docker is, so Docker finds both at its start. What runs is taken over: the containers
go when the services serve, and come back when these do not.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from weave_cli.api.sync import RouterClient
from weave_cli.containers import lifecycle, lookup
from weave_cli.containers.client import Docker, translated
from weave_cli.containers.facts import OurContainer
from weave_cli.containers.managed_plugin import find_managed
from weave_cli.containers.specs import (
    ContainerSpec,
    PluginOptions,
    RouterOptions,
    make_plugin_spec,
    make_router_spec,
)
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import DockerProblem, HostProblem, RouterProblem
from weave_cli.host import systemd
from weave_cli.interrupts import unbroken, undoing
from weave_cli.names import PASSWORD_FILE, PLUGIN_CONTAINER, image_name
from weave_cli.operations import service_units, services
from weave_cli.operations.host_facts import read_host_facts
from weave_cli.operations.launch_services import make_plan, save_password, serve_plugin, serve_router
from weave_cli.operations.plugin_sockets import is_plugin_listening
from weave_cli.operations.rehearsal import Deed
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.service_docker import check_docker_unit
from weave_cli.operations.service_state import clear_state, copy_state
from weave_cli.operations.service_units import (
    PLUGIN_UNIT,
    ROUTER_UNIT,
    SERVICE_PASSWORD,
    SERVICE_STATE,
    ServicePlan,
)
from weave_cli.operations.setup import setup
from weave_cli.operations.starting import check_not_running, start
from weave_cli.operations.stop import find_ours
from weave_cli.operations.waiting import wait_until
from weave_cli.password_file import read_password
from weave_cli.settings import Settings

_PROGRAM: Final = ("python", "-m")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Containers:
    """What runs now, and is taken over."""

    router: OurContainer
    plugin: OurContainer | None


def find_units(client: Docker, settings: Settings) -> dict[str, str]:
    """The files that `install` writes, by their paths. Raises HostProblem when there is no launch to keep."""
    plan = _read_plan(settings) if services.are_installed() else _plan_of(_find(client, settings), settings)
    return {str(systemd.UNITS / name): text for name, text in service_units.write_units(plan).items()}


def install(client: Docker, settings: Settings, reporter: Reporter) -> None:
    """Write the units, and let services run what the containers ran. Once more: with this installation."""
    services.check_place()
    systemd.check_systemd()
    check_docker_unit(client)
    if services.are_installed():
        names = (settings.router_container, PLUGIN_CONTAINER)
        left = [one for name in names if (one := lookup.find_our_container(client, name)) and one.is_ours]
        if not left or any(services.find_service(name) is not None for name in names):
            _renew(client, settings, reporter, left)
            return
        # Cut off before any service was started: what the containers know is the newest.
        services.uninstall()
    found = _find(client, settings)
    plan = _plan_of(found, settings)
    running = [one for one in (found.router, found.plugin) if one is not None and one.is_running]
    password = _read_password(client, found.router)
    with _taken_over(client, running, reporter):
        copy_state(_volume(client, settings), Path(SERVICE_STATE))
        save_password(password)
        services.remember_launch()
        services.write(service_units.write_units(plan))
        if found.router.is_running:
            serve_router(client, plan.router, reporter)
        if found.plugin is not None and found.plugin.is_running and plan.plugin is not None:
            serve_plugin(client, plan.plugin, reporter)
    _give_containers_up(client, settings, [one for one in (found.plugin, found.router) if one is not None])


def uninstall(client: Docker, settings: Settings, reporter: Reporter) -> None:
    """Back to containers, which run what the services ran; nothing of the services stays."""
    if not services.are_installed():
        reporter.notice("There are no services of weave.", NoticeCode.NOTHING_TO_DO)
        return
    plan = _read_plan(settings)
    router, plugin = (services.find_service(name) for name in (settings.router_container, PLUGIN_CONTAINER))
    specs = _container_specs(plan, settings, None if router is None else _read_own_password())
    if router is not None or plugin is not None:
        setup(client, reporter)
    if router is not None:
        check_not_running(client, specs[0].name, "router")
    if plugin is not None:
        check_not_running(client, specs[1].name, "plugin")
    volume = _volume(client, settings)
    with unbroken():
        reporter.progress("stopping services")
        for unit in (PLUGIN_UNIT, ROUTER_UNIT):
            if systemd.read_unit(unit) is not None:
                services.stop(unit)
        copy_state(Path(SERVICE_STATE), volume)
        # Both, before one is waited for: the plugin can do without a router for a while.
        router_id = None if router is None else start(client, specs[0], reporter)
        plugin_id = None if plugin is None else start(client, specs[1], reporter)
        services.uninstall()  # now that nothing else needs to know the options
    if router_id is not None:
        is_ready = RouterClient(settings.http_address).is_ready
        _wait_for(is_ready, client, router_id, specs[0].name, reporter)
    if plugin_id is not None:
        _wait_for(is_plugin_listening, client, plugin_id, specs[1].name, reporter)


def rehearse_uninstall(settings: Settings) -> Iterator[Deed]:
    """What `uninstall` does, in its order."""
    found = [services.find_service(name) for name in (PLUGIN_CONTAINER, settings.router_container)]
    running = [one for one in found if one is not None]
    yield from (Deed(act="stop", kind="service", name=one.name) for one in running)
    yield from (Deed(act="remove", kind="file", name=path) for path in services.list_files())
    for one in reversed(running):
        name = PLUGIN_CONTAINER if one.id == PLUGIN_UNIT else settings.router_container
        yield Deed(act="start", kind="container", name=name)


def _find(client: Docker, settings: Settings) -> _Containers:
    router = find_ours(client, settings.router_container)
    if router is None:
        raise HostProblem(
            "nothing has been launched on this host, so there are no options for the services",
            hint="weave launch with the options that you want, then weave install-service again.",
            code=Code.ROUTER_ABSENT,
        )
    if not any(word.startswith("--http-addr=") for word in router.command):
        raise RouterProblem(
            f"container {router.name} was made by another version of weave ({router.version})",
            hint="Launch it again with this one: weave stop && weave launch --resume",
        )
    return _Containers(router=router, plugin=find_ours(client, PLUGIN_CONTAINER))


def _plan_of(found: _Containers, settings: Settings) -> ServicePlan:
    router = service_units.router_service_command(
        found.router.command,
        interpreter=sys.executable,
        resolver_file=read_host_facts(settings).resolver_file,
        has_password=service_units.has_password_file(found.router.command),
    )
    plugin: tuple[str, ...] = ()
    if found.plugin is not None:
        plugin = service_units.plugin_service_command(
            found.plugin.command,
            interpreter=sys.executable,
            http_address=service_units.find_http_address(router),
        )
    return replace(
        make_plan(settings, router=router),
        plugin=plugin or None,
        router_restarts=found.router.restarts,
        plugin_restarts=found.plugin is None or found.plugin.restarts,
    )


def _read_plan(settings: Settings) -> ServicePlan:
    """Of the units that are there, run by this installation."""
    plan = make_plan(settings)
    router = service_units.router_service_command(
        plan.router,
        interpreter=sys.executable,
        resolver_file=read_host_facts(settings).resolver_file,
        has_password=service_units.has_password_file(plan.router),
    )
    if plan.plugin is None:
        return replace(plan, router=router)
    plugin = service_units.plugin_service_command(
        plan.plugin,
        interpreter=sys.executable,
        http_address=service_units.find_http_address(router),
    )
    return replace(plan, router=router, plugin=plugin)


def _renew(client: Docker, settings: Settings, reporter: Reporter, left: list[OurContainer]) -> None:
    """Services that run go on with the new units; containers keep their network meanwhile.

    left: containers of an installation that a power failure cut off, when services had their state already.
    """
    plan = _read_plan(settings)
    router, plugin = (services.find_service(name) for name in (settings.router_container, PLUGIN_CONTAINER))
    services.write(service_units.write_units(plan))
    if left:
        _give_containers_up(client, settings, left)
    if router is not None or left:
        if router is not None:
            _end_old(router, reporter)
        serve_router(client, plan.router, reporter)
    if plan.plugin is not None and (plugin is not None or left):
        if plugin is not None:
            _end_old(plugin, reporter)
        serve_plugin(client, plan.plugin, reporter)


def _end_old(service: OurContainer, reporter: Reporter) -> None:
    """Before the new one is started: the old one, still there, would be taken for it, and end meanwhile."""
    reporter.progress(f"stopping {service.name}")
    systemd.control("stop", service.name)


@contextmanager
def _taken_over(client: Docker, running: list[OurContainer], reporter: Reporter) -> Iterator[None]:
    """The containers are stopped, and come back when anything goes wrong, an interrupt included."""
    try:
        for one in reversed(running):
            reporter.progress(f"stopping {one.name}")
            lifecycle.stop_container(client, one.id)
        yield
    except BaseException as problem:
        with undoing(problem):
            try:
                services.uninstall()
            finally:
                for one in running:
                    lifecycle.start_container(client, one.id, name=one.name)
        raise


def _volume(client: Docker, settings: Settings) -> Path:
    """The host's directory of the state of containers."""
    return Path(lifecycle.ensure_volume(client, settings.state_volume))


def _give_containers_up(client: Docker, settings: Settings, containers: list[OurContainer]) -> None:
    """Remove them, and their state: services have it."""
    with unbroken():
        for one in containers:
            lifecycle.remove_container(client, one.id)
        _give_volume_up(client, settings)


def _give_volume_up(client: Docker, settings: Settings) -> None:
    """Remove it; but the managed plugin of a swarm keeps its journal there, and would not start without."""
    managed = find_managed(client)
    if managed is None or managed.version is None:
        lifecycle.remove_volume(client, settings.state_volume)
    else:
        clear_state(_volume(client, settings))


def _read_password(client: Docker, router: OurContainer) -> bytes | None:
    if not service_units.has_password_file(router.command):
        return None
    with translated(f"read the password of container {router.name}"):
        pieces, _ = client.api.get_archive(router.id, PASSWORD_FILE)
        packed = io.BytesIO(b"".join(pieces))
    with tarfile.open(fileobj=packed) as archive:
        opened = archive.extractfile(PASSWORD_FILE.rpartition("/")[2])
        assert opened is not None
        return read_password(io.BytesIO(opened.read()), PASSWORD_FILE)


def _read_own_password() -> bytes | None:
    path = Path(SERVICE_PASSWORD)
    if not path.exists():
        return None
    with path.open("rb") as opened:
        return read_password(opened, SERVICE_PASSWORD)


def _container_specs(
    plan: ServicePlan, settings: Settings, password: bytes | None
) -> tuple[ContainerSpec, ContainerSpec]:
    host = read_host_facts(settings)
    router = make_router_spec(
        RouterOptions(restarts=plan.router_restarts), settings, host, image=image_name(), password=password
    )
    arguments = service_units.router_container_arguments(
        plan.router, resolver_name=host.resolver_file.rpartition("/")[2]
    )
    plugin = make_plugin_spec(PluginOptions(restarts=plan.plugin_restarts), settings, image=image_name())
    return (
        replace(router, command=(*_PROGRAM, "weave_cli.router", *arguments)),
        replace(
            plugin,
            command=(
                *_PROGRAM,
                "weave_cli.plugin",
                *service_units.plugin_container_arguments(plan.plugin or ()),
            ),
        ),
    )


def _wait_for(
    is_ready: Callable[[], bool], client: Docker, container_id: str, name: str, reporter: Reporter
) -> None:
    """As a launch does; but a container that fails stays: nothing else has the options by now."""
    try:
        wait_until(is_ready, client, container_id, name, reporter)
    except DockerProblem as problem:
        raise DockerProblem(
            problem.message,
            hint=f"The services are gone; {name} stays a container, which Docker starts again and again.\n"
            f"See 'docker logs {name}', mend it, or 'weave stop'.",
            code=problem.code,
        ) from problem
