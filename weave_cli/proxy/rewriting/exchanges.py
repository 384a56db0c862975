"""The calls that are looked after, each with what is done before Docker sees it and with its answer.

What a call needs to know it asks Docker and the router; what becomes of a body is decided by pure rooms.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, unquote

from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.containers.engine_http import call
from weave_cli.daemon_thread import in_thread
from weave_cli.errors import DockerProblem, HostProblem, RouterProblem, UsageProblem, WeaveError
from weave_cli.names import DEFAULT_DOMAIN, GLOBAL_DRIVER, GUEST_LINK, MESH_DRIVER
from weave_cli.proxy.exchange import Answer, Refusal, Request
from weave_cli.proxy.options import RewritingOptions
from weave_cli.proxy.rewriting import documents
from weave_cli.proxy.rewriting.attaching import Attacher, NotAttached, message_of
from weave_cli.proxy.rewriting.creation import (
    Creation,
    ImageFacts,
    Naming,
    Resolver,
    add_warnings,
    read_image,
)
from weave_cli.proxy.rewriting.inspection import show_network
from weave_cli.proxy.rewriting.mark import hide_mark, hide_mark_in_row
from weave_cli.proxy.rewriting.membership import VARIABLE, LeftAlone, decide, is_of_driver, is_shared
from weave_cli.proxy.rewriting.starting import restore_host_config
from weave_cli.proxy.rewriting.workload import Workload
from weave_cli.proxy.wording import describe
from weave_cli.settings import DOCKER_SOCKET, Settings

log = logging.getLogger(__name__)

_OK, _CREATED = 200, 201
_BAD_REQUEST: Final = 400
_CONFLICT: Final = 409
_SERVER_ERROR: Final = 500
#: For a command beside a program that waits for the network; longer than an address may take.
_EXEC_LIMIT_S: Final = 15.0
_OURS: Final = frozenset({MESH_DRIVER, GLOBAL_DRIVER})


class Engine:
    """Docker and the router as calls ask them; what has no answer is None."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def find_image(self, name: str) -> ImageFacts | None:
        """None when Docker has no such image: it shall say so itself. Raises DockerProblem."""
        facts = await self._find(f"/images/{quote(name, safe=':@/')}/json")
        return None if facts is None else read_image(facts)

    async def find_driver(self, network: str) -> str | None:
        """None when there is no such network. Raises DockerProblem."""
        facts = await self._find(f"/networks/{quote(network, safe='')}")
        return None if facts is None else documents.get_text(facts, "Driver")

    async def find_resolver(self) -> Resolver | None:
        """None when weaveDNS is off. While the router does not answer it is as it is by default."""
        return await in_thread(self._find_resolver, "router")

    def _find_resolver(self) -> Resolver | None:
        from weave_cli.operations.naming import get_dns_address

        try:
            domain = RouterClient(self._settings.http_address).find_domain()
        except RouterUnreachable:
            domain = DEFAULT_DOMAIN
        except RouterProblem as problem:
            log.warning("cannot ask for the domain: %s", problem)
            return None
        if domain is None:
            return None
        try:
            return Resolver(address=get_dns_address(self._settings), domain=domain)
        except HostProblem as problem:
            log.warning("no weaveDNS for a container: %s", problem)
            return None

    async def _find(self, path: str) -> dict[str, Any] | None:
        """None when there is no such thing; raises DockerProblem when Docker cannot tell."""
        status, answer = await in_thread(lambda: call(self._settings, "GET", path), "docker")
        if status >= _SERVER_ERROR:
            raise DockerProblem(
                f"Docker cannot tell of {path}: {message_of(answer)}", hint="See the log of Docker's daemon."
            )
        return answer if status == _OK else None


class _Plain:
    """Changes nothing: what the exchanges below begin with."""

    holds_answer = False

    async def prepare(self, request: Request) -> Request:
        return request

    async def conclude(self, answer: Answer) -> Answer:
        return answer

    async def close(self) -> None:
        return None


class Create(_Plain):
    """POST /containers/create"""

    def __init__(self, engine: Engine, options: RewritingOptions, naming: Naming) -> None:
        self._engine = engine
        self._options = options
        self._naming = naming
        self._warnings: list[str] = []

    @property
    def holds_answer(self) -> bool:  # type: ignore[override]
        return bool(self._warnings)

    async def prepare(self, request: Request) -> Request:
        try:
            return await self._rewrite(request)
        except documents.Unreadable as problem:
            log.info("leaving a new container to Docker: %s", problem)
            return request
        except UsageProblem as problem:
            raise Refusal(describe(problem), status=_BAD_REQUEST) from None
        except WeaveError as problem:
            raise Refusal(describe(problem)) from None

    async def _rewrite(self, request: Request) -> Request:
        document = documents.read_document(request.body)
        image = await self._engine.find_image(documents.get_text(document, "Image"))
        if image is None:
            return request
        name = request.target.parameter("name") or ""
        creation = Creation(document=document, name=name, image=image, warnings=self._warnings)
        decision = decide(
            creation.network_mode,
            creation.environment,
            wants_default_ipalloc=self._options.wants_default_ipalloc,
        )
        if isinstance(decision, LeftAlone):
            log.info("leaving a new container alone because %s", decision.reason)
            await self._warn_of_plugin(creation)
            return request
        if not creation.put_wait_before():
            return request
        if self._options.wants_dns:
            resolver = await self._engine.find_resolver()
            if resolver is not None:
                creation.use_resolver(resolver, self._naming)
        return replace(request, body=documents.write_document(document))

    async def _warn_of_plugin(self, creation: Creation) -> None:
        """On a network of ours, the container is the plugin's; whoever knows that says WEAVE_CIDR=none."""
        mode = creation.network_mode
        if not is_of_driver(mode) or documents.find_variable(creation.environment, VARIABLE) == "none":
            return
        try:
            driver = await self._engine.find_driver(mode)
        except DockerProblem as problem:
            return log.warning("cannot look whose network %s is: %s", mode, problem)
        if driver in _OURS:
            warning = (
                f"network {mode} is served by weave's network plugin: the proxy leaves the container to it,"
                f" and {VARIABLE} does not count ('-e {VARIABLE}=none' says that this is meant)"
            )
            log.warning("%s", warning)
            self._warnings.append(warning)

    async def conclude(self, answer: Answer) -> Answer:
        if answer.status != _CREATED:
            return answer
        try:
            document = documents.read_document(answer.body)
        except documents.Unreadable:
            return answer
        add_warnings(document, self._warnings)
        return replace(answer, body=documents.write_document(document) + b"\n")


class Start(_Plain):
    """POST /containers/X/start and restart: the answer comes when the container is on the network."""

    def __init__(self, engine: Engine, options: RewritingOptions, attacher: Attacher, name: str) -> None:
        self._engine = engine
        self._options = options
        self._attacher = attacher
        self._name = unquote(name)
        self._container: Workload | None = None
        self._before = 0
        self._is_shared = False
        self._stack = ExitStack()

    @property
    def holds_answer(self) -> bool:  # type: ignore[override]
        return self._container is not None

    async def prepare(self, request: Request) -> Request:
        with suppress(WeaveError):  # Docker will say it itself
            self._container = await self._attacher.find_workload(self._name)
        if self._container is None:
            return request
        self._before = self._stack.enter_context(self._attacher.awaited(self._container))
        return await self._restore(request)

    async def _restore(self, request: Request) -> Request:
        """Old clients send a configuration with the start, which replaces that of the container."""
        with suppress(documents.Unreadable):
            document = documents.read_document(request.body)
            resolver = await self._engine.find_resolver() if self._options.wants_dns else None
            assert self._container is not None
            mode = restore_host_config(document, self._container, resolver)
            if mode is not None:
                self._is_shared = is_shared(mode)
                return replace(request, body=documents.write_document(document))
        return request

    async def conclude(self, answer: Answer) -> Answer:
        if self._container is None or not 200 <= answer.status < 300:
            return answer
        try:
            await self._attacher.settle(self._container.id, self._before)
        except NotAttached as problem:
            if self._is_shared and not problem.is_its_own:
                return answer  # nobody held it back, and it has ended meanwhile
            raise Refusal(str(problem), status=_BAD_REQUEST if problem.is_its_own else 500) from None
        return answer

    async def close(self) -> None:
        self._stack.close()


class Exec(_Plain):
    """POST /containers/X/exec: what is executed beside a container's program waits as that does."""

    def __init__(self, attacher: Attacher, name: str, *, limit_s: float = _EXEC_LIMIT_S) -> None:
        self._attacher = attacher
        self._name = unquote(name)
        self._limit_s = limit_s

    async def prepare(self, request: Request) -> Request:
        container = None
        try:
            async with asyncio.timeout(self._limit_s):
                container = await self._attacher.find_workload(self._name)
                if container is not None and container.pid:
                    await self._attacher.settle(container.id)
        except (WeaveError, NotAttached):
            pass  # then there is nothing to execute in, and Docker says so
        except TimeoutError:
            raise Refusal(self._explain_wait(container), status=_CONFLICT) from None
        return request

    def _explain_wait(self, container: Workload | None) -> str:
        reason = None if container is None else self._attacher.find_trouble(container.id)
        return (
            f"container {self._name} still waits for the network{f': {reason}' if reason else '.'}"
            f" (a command is executed in it all the same with 'docker -H unix://{DOCKER_SOCKET} exec')"
        )


class Inspect(_Plain):
    """GET /containers/X/json with --rewrite-inspect: the network's address, and no trace of the waiting."""

    holds_answer = True

    def __init__(self, attacher: Attacher) -> None:
        self._attacher = attacher

    async def conclude(self, answer: Answer) -> Answer:
        if answer.status != _OK:
            return answer
        try:
            document = documents.read_document(answer.body)
            container_id = documents.get_text(document, "Id")
            if self._attacher.is_awaited(container_id):
                with suppress(NotAttached):
                    await self._attacher.settle(container_id)
            pid = documents.get_object(document, "State").get("Pid") or 0
            if pid:
                interface = await in_thread(lambda: _find_interface(int(pid)), "namespace")
                if interface is not None:
                    show_network(document, *interface)
            hide_mark(document)
        except (documents.Unreadable, WeaveError) as problem:
            log.warning("an answer about a container stays as it is: %s", problem)
            return answer
        return replace(answer, body=documents.write_document(document) + b"\n")


class List(_Plain):
    """GET /containers/json with --rewrite-inspect: no trace of the waiting."""

    holds_answer = True

    async def conclude(self, answer: Answer) -> Answer:
        if answer.status != _OK:
            return answer
        try:
            rows = documents.read_rows(answer.body)
            for row in rows:
                hide_mark_in_row(row)
        except documents.Unreadable as problem:
            log.warning("a list of containers stays as it is: %s", problem)
            return answer
        return replace(answer, body=documents.write_document(rows) + b"\n")


def _find_interface(pid: int) -> tuple[str, str, int] | None:
    """MAC address, address and prefix length of its first interface on the network; None: it has none."""
    from weave_cli.addresses import format_address
    from weave_cli.host.netns import is_in_our_namespace, read_interfaces

    try:
        if is_in_our_namespace(pid):
            return None
        found = read_interfaces(pid)
    except ProcessLookupError:
        return None
    for interface in found:
        if interface.name.startswith(GUEST_LINK) and interface.addresses:
            first = interface.addresses[0]
            return interface.mac, format_address(first.address), first.prefix_len
    return None
