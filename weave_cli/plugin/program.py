"""The plugin's command line, wiring and shutdown. `python -m weave_cli.plugin --help` tells the options.

The order is what matters here: listen first, then all that may block; take the sockets away first, then end.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from weave_cli import __version__
from weave_cli.cancelling import cancel
from weave_cli.daemons import run_daemon, supervise
from weave_cli.logs import LEVELS
from weave_cli.names import (
    GLOBAL_DRIVER,
    MESH_DRIVER,
    MESH_NETWORK,
    PLUGIN_SOCKET_DIRECTORY,
    STATE_DIRECTORY,
    SWARM_DRIVER,
    SWARM_SOCKET,
)
from weave_cli.plugin.faults import read_faults
from weave_cli.plugin.listening import Listener
from weave_cli.plugin.reconcile import BETWEEN_LOOKS_S
from weave_cli.plugin.server import DriverServer
from weave_cli.plugin.wiring import DRIVERS, Plugin
from weave_cli.settings import Settings, plugin_fault_file, plugin_look_s
from weave_cli.systemd_hands import take_handed_sockets

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line as values; empty texts switch a part off."""

    log_level: str
    mesh_network_name: str
    wants_multicast_route: bool
    global_socket: str
    mesh_socket: str
    swarm_socket: str
    http_address: str
    journal: str


def read_options(arguments: Sequence[str], settings: Settings) -> Options:
    """Exits with status 2 and a message when an option is unknown or its value wrong."""
    parser = argparse.ArgumentParser(
        prog="weave plugin", description="Docker network plugin of weave.", allow_abbrev=False
    )
    parser.add_argument("--log-level", choices=tuple(LEVELS), default="info")
    parser.add_argument(
        "--mesh-network-name", default=MESH_NETWORK, metavar="NAME", help="the automatic network; empty: none"
    )
    parser.add_argument(
        "--no-multicast-route", action="store_true", help="give no container a route for multicast"
    )
    parser.add_argument(
        "--socket",
        default=f"{PLUGIN_SOCKET_DIRECTORY}/{GLOBAL_DRIVER}.sock",
        metavar="PATH",
        help="socket of the driver for networks of several hosts; empty: none",
    )
    parser.add_argument(
        "--meshsocket",
        default=f"{PLUGIN_SOCKET_DIRECTORY}/{MESH_DRIVER}.sock",
        metavar="PATH",
        help="socket of the driver with weave's own addresses; empty: none",
    )
    parser.add_argument(
        "--managed",
        action="store_true",
        help=f"be a managed plugin of Docker: serve networks of a swarm on {SWARM_SOCKET}, nothing else",
    )
    parser.add_argument(
        "--http-addr", default=settings.http_address, metavar="IP:PORT", help="the router's HTTP API"
    )
    parser.add_argument(
        "--journal", default=f"{STATE_DIRECTORY}/plugin.db", metavar="PATH", help="what survives a restart"
    )
    parser.add_argument("--version", action="version", version=f"weave plugin {__version__}")
    words = parser.parse_args(arguments)
    return Options(
        log_level=words.log_level,
        mesh_network_name=words.mesh_network_name,
        wants_multicast_route=not words.no_multicast_route,
        global_socket="" if words.managed else words.socket,
        mesh_socket="" if words.managed else words.meshsocket,
        swarm_socket=f"{PLUGIN_SOCKET_DIRECTORY}/{SWARM_SOCKET}" if words.managed else "",
        http_address=words.http_addr,
        journal=words.journal,
    )


def main(arguments: Sequence[str], early: Mapping[str, Listener] = MappingProxyType({})) -> int:
    """Serve until SIGTERM or SIGINT; the exit status. early: what listens already, by path."""
    handed = {path: Listener(socket=one, inode=None) for path, one in take_handed_sockets().items()}
    return run_daemon(arguments, read_options, partial(_serve, {**handed, **early}))


async def _serve(
    handed: Mapping[str, Listener], options: Options, settings: Settings, stop: asyncio.Event
) -> None:
    log.info("weave plugin %s, process %d", __version__, os.getpid())
    async with AsyncExitStack() as stack:
        plugin = Plugin(
            settings,
            http_address=options.http_address,
            journal_path=options.journal,
            wants_multicast_route=options.wants_multicast_route,
            on_reached=read_faults(plugin_fault_file()),
            between_looks_s=plugin_look_s() or BETWEEN_LOOKS_S,
            drivers=(SWARM_DRIVER,) if options.swarm_socket else DRIVERS,
            handed=handed,
        )
        stack.push_async_callback(plugin.close)
        servers: list[DriverServer] = []
        if options.swarm_socket:
            servers.append(plugin.make_swarm_server(options.swarm_socket))
            await _open(servers[-1], stack)
        if options.mesh_socket:
            servers.append(plugin.make_mesh_server(options.mesh_socket))
            await _open(servers[-1], stack)
        is_global_open = bool(options.global_socket) and plugin.knows_engine(options.global_socket)
        if is_global_open:
            servers.append(await plugin.make_global_server(options.global_socket))
            await _open(servers[-1], stack)
        await plugin.load()
        tasks = [supervise(name, run) for name, run in plugin.background().items()]
        stack.push_async_callback(lambda: cancel(*tasks))
        if options.mesh_socket and options.mesh_network_name:
            network = plugin.make_default_network(options.mesh_network_name)
            tasks.append(supervise("default network", network.run))
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, network.ensure_again)
        if options.global_socket:
            if not is_global_open:
                servers.append(await plugin.make_global_server(options.global_socket))
                await _open(servers[-1], stack)
            tasks.append(supervise("shared networks", plugin.follow_shared_networks()))
        await stop.wait()
        log.info("stopping")
        await plugin.see_off()
        for server in servers:
            server.unlink()  # before anything that takes time


async def _open(server: DriverServer, stack: AsyncExitStack) -> None:
    await server.start()
    stack.push_async_callback(server.stop)
