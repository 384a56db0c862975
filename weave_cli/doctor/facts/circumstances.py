"""What several categories start from: Docker's client, our containers, the router's report. Reads only."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.containers import lookup
from weave_cli.containers.client import Docker, open_docker
from weave_cli.containers.facts import OurContainer
from weave_cli.containers.managed_plugin import find_managed
from weave_cli.containers.managed_spec import ManagedPlugin
from weave_cli.doctor.checks.peers import PeerFacts
from weave_cli.doctor.facts.peers import read_peers
from weave_cli.errors import DockerProblem, HostProblem, RouterProblem
from weave_cli.names import PLUGIN_CONTAINER, PROXY_CONTAINER
from weave_cli.operations.services import find_service
from weave_cli.reports import LocalConnection, Report
from weave_cli.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """client is None, and docker_problem says why, while Docker does not answer."""

    settings: Settings
    client: Docker | None
    docker_problem: DockerProblem | None
    router: OurContainer | None
    plugin: OurContainer | None
    proxy: OurContainer | None
    managed: ManagedPlugin | None
    """Docker's plugin for networks of a swarm."""
    report: Report | None
    """None: no router answers."""
    peers: tuple[PeerFacts, ...]
    """The other hosts, with what they tell of themselves."""

    @property
    def router_runs(self) -> bool:
        return self.report is not None

    @property
    def is_launched(self) -> bool:
        return self.report is not None or (self.router is not None and self.router.is_ours)

    @property
    def port(self) -> int:
        """The mesh's TCP port: the router's, else the one that it would get."""
        return self.settings.port if self.report is None else self.report["Router"]["Port"]

    @property
    def connections(self) -> tuple[LocalConnection, ...]:
        return () if self.report is None else tuple(self.report["Router"]["Connections"])


def read_circumstances(settings: Settings) -> Circumstances:
    """Asks Docker and the router; neither need be there."""
    # Services can be seen, and may be what is wrong, while Docker is down.
    router, plugin, proxy = _find_service(settings.router_container), _find_service(PLUGIN_CONTAINER), None
    client, problem, managed = None, None, None
    try:
        client = open_docker(settings)
        router = router or lookup.find_our_container(client, settings.router_container)
        plugin = plugin or lookup.find_our_container(client, PLUGIN_CONTAINER)
        proxy = lookup.find_our_container(client, PROXY_CONTAINER)
        managed = find_managed(client)
    except DockerProblem as caught:
        client, problem = None, caught
    report = _read_report(settings)
    return Circumstances(
        settings=settings,
        client=client,
        docker_problem=problem,
        router=router,
        plugin=plugin,
        proxy=proxy,
        managed=managed,
        report=report,
        peers=() if report is None else tuple(read_peers(settings)),
    )


def _find_service(name: str) -> OurContainer | None:
    with suppress(HostProblem):  # in a helper container, nobody can tell of services
        return find_service(name)
    return None


def _read_report(settings: Settings) -> Report | None:
    try:
        report: Report = json.loads(RouterClient(settings.http_address).get_report())
        # Another program may answer there: what is no report of a router has none of its keys.
        return report if "Router" in report else None
    except (RouterUnreachable, RouterProblem, ValueError):
        return None
