"""Start the Docker API proxy. What fails half-way is undone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from weave_cli.containers import lifecycle, lookup
from weave_cli.containers.client import Docker
from weave_cli.containers.facts import OurContainer
from weave_cli.containers.proxy_spec import ProxyOptions, make_proxy_spec
from weave_cli.host_files import real_host_path
from weave_cli.interrupts import undoing
from weave_cli.names import PROXY_CONTAINER, PROXY_PORT, PROXY_SOCKET, image_name
from weave_cli.operations import preflight
from weave_cli.operations.proxy_beacon import find_proxy
from weave_cli.operations.proxy_tls import choose_tls
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.setup import setup
from weave_cli.operations.starting import check_not_running, start
from weave_cli.operations.waiting import wait_until
from weave_cli.proxy_places import ANYWHERE, Place, parse_place
from weave_cli.settings import Settings


def launch_proxy(client: Docker, settings: Settings, options: ProxyOptions, reporter: Reporter) -> str:
    """The proxy, listening; answers its container's id."""
    check_not_running(client, PROXY_CONTAINER, "proxy")
    places = check_places(options, settings)
    setup(client, reporter)
    return serve_proxy(client, settings, options, places, reporter)


def check_places(options: ProxyOptions, settings: Settings) -> list[Place]:
    """Where it will listen; raises UsageProblem and HostProblem when it cannot."""
    places = [parse_place(text) for text in options.listen] or [_usual_place(settings)]
    for place in places:
        if place.path is None:
            preflight.check_proxy_port(place.port, place.address or ANYWHERE)
    return places


def serve_proxy(
    client: Docker, settings: Settings, options: ProxyOptions, places: list[Place], reporter: Reporter
) -> str:
    """Make its container and wait until it listens; the image is there, and the name is free."""
    tls = choose_tls(options, settings) if any(place.path is None for place in places) else None
    wanted = replace(options, listen=tuple(map(str, places)))
    docker_socket = real_host_path(settings.docker_socket)
    spec = make_proxy_spec(wanted, settings, image=image_name(), tls=tls, docker_socket=docker_socket)
    with proxy_undone_on_failure(client):
        container_id = start(client, spec, reporter)
        wait_until(lambda: find_proxy() is not None, client, container_id, PROXY_CONTAINER, reporter)
    return container_id


def find_running_proxy(client: Docker) -> OurContainer | None:
    """The one that is up already; raises when its name is somebody else's, or it keeps dying."""
    found = lookup.find_our_container(client, PROXY_CONTAINER)
    if found is not None and found.is_ours and found.is_running:
        return found
    check_not_running(client, PROXY_CONTAINER, "proxy")
    return None


def _usual_place(settings: Settings) -> Place:
    """As the caller reaches Docker."""
    scheme = settings.client_host.partition("://")[0]
    is_socket = settings.endpoint.is_socket and scheme in ("", "unix")
    return Place(path=PROXY_SOCKET) if is_socket else Place(address=ANYWHERE, port=PROXY_PORT)


@contextmanager
def proxy_undone_on_failure(client: Docker) -> Iterator[None]:
    """Take away what this launch has made when anything goes wrong, an interrupt included."""
    before = lookup.find_our_container(client, PROXY_CONTAINER)
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            made = lookup.find_our_container(client, PROXY_CONTAINER)
            if made is not None and (before is None or before.id != made.id):
                lifecycle.stop_container(client, made.id)
                lifecycle.remove_container(client, made.id)
        raise
