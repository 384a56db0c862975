"""The proxy's command line, wiring and shutdown. `python -m weave_cli.proxy --help` tells the options."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from weave_cli import __version__
from weave_cli.cancelling import cancel
from weave_cli.daemons import run_daemon, supervise
from weave_cli.logs import LEVELS
from weave_cli.proxy.announcing import Beacon
from weave_cli.proxy.listening import open_door
from weave_cli.proxy.options import Options, RewritingOptions, TlsOptions
from weave_cli.proxy.rewriting.rewriter import make_rewriter
from weave_cli.proxy.server import ProxyServer
from weave_cli.proxy.tls import make_context
from weave_cli.proxy_places import parse_place
from weave_cli.settings import Settings

log = logging.getLogger(__name__)


def read_options(arguments: Sequence[str], settings: Settings) -> Options:
    """Exits with status 2 and a message when an option is unknown or its value wrong."""
    parser = argparse.ArgumentParser(
        prog="weave proxy", description="Docker's API, with containers on the network.", allow_abbrev=False
    )
    parser.add_argument("--log-level", choices=tuple(LEVELS), default="info")
    parser.add_argument(
        "-H", dest="listen", action="append", required=True, metavar="ADDRESS", help="may be repeated"
    )
    parser.add_argument("--without-dns", action="store_true", help="give containers no name server")
    parser.add_argument(
        "--no-default-ipalloc", action="store_true", help="leave containers without WEAVE_CIDR alone"
    )
    parser.add_argument("--no-rewrite-hosts", action="store_true", help="leave /etc/hosts alone")
    parser.add_argument(
        "--no-multicast-route", action="store_true", help="give no container a route for multicast"
    )
    parser.add_argument("--hostname-from-label", metavar="KEY", help="host names of containers")
    parser.add_argument("--hostname-match", default="(.*)", metavar="REGEXP", help="host names of containers")
    parser.add_argument("--hostname-replacement", default="$1", metavar="TEXT", help="what becomes of them")
    parser.add_argument("--rewrite-inspect", action="store_true", help="show our addresses in docker inspect")
    parser.add_argument("--tlscert", metavar="FILE", help="certificate of the TCP doors")
    parser.add_argument("--tlskey", metavar="FILE", help="its key")
    parser.add_argument("--tlscacert", metavar="FILE", help="who signs the certificates of clients")
    parser.add_argument("--http-addr", default=settings.http_address, metavar="IP:PORT", help="the router's")
    parser.add_argument("--version", action="version", version=f"weave proxy {__version__}")
    words = parser.parse_args(arguments)
    if (words.tlscert is None) != (words.tlskey is None) or (words.tlscacert and not words.tlscert):
        parser.error("--tlscert and --tlskey belong together")
    return Options(
        listen=tuple(words.listen),
        tls=None
        if words.tlscert is None
        else TlsOptions(certificate=words.tlscert, key=words.tlskey, ca=words.tlscacert),
        log_level=words.log_level,
        http_address=words.http_addr,
        rewriting=RewritingOptions(
            wants_dns=not words.without_dns,
            wants_default_ipalloc=not words.no_default_ipalloc,
            rewrites_hosts=not words.no_rewrite_hosts,
            wants_multicast_route=not words.no_multicast_route,
            hostname_from_label=words.hostname_from_label,
            hostname_match=words.hostname_match,
            hostname_replacement=words.hostname_replacement,
            rewrites_inspect=words.rewrite_inspect,
        ),
    )


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    return run_daemon(arguments, read_options, _serve)


async def _serve(options: Options, settings: Settings, stop: asyncio.Event) -> None:
    log.info("weave proxy %s, process %d", __version__, os.getpid())
    _allow_files()
    places = [parse_place(text) for text in options.listen]
    context = None if options.tls is None else make_context(options.tls)
    rewriter = make_rewriter(options.rewriting, settings, http_address=options.http_address)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(rewriter.close)
        doors = []
        for place in places:
            doors.append(open_door(place, like=settings.docker_socket))
            stack.callback(doors[-1].close)
        # TCP first, as the original has it: the first is what `weave env` points to.
        beacon = Beacon([str(place) for place in sorted(places, key=lambda place: place.path is not None)])
        beacon.open()
        stack.callback(beacon.close)
        server = ProxyServer(doors, settings.docker_socket, rewriter, tls=context)
        server.start()
        stack.push_async_callback(server.stop)
        log.info("listening on %s", ", ".join(map(str, places)))
        tasks = [asyncio.create_task(beacon.serve()), supervise("attaching", rewriter.run)]
        stack.push_async_callback(cancel, *tasks)
        await stop.wait()
        log.info("stopping")


def _allow_files() -> None:
    """Each client takes two; as many as we are allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
