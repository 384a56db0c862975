"""status, report, ps: declarations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.params import duration_option
from weave_cli.commands.place import Needs
from weave_cli.commands.suggestions import one_of, words
from weave_cli.commands.usage import PictureCommand, command
from weave_cli.error_codes import NoticeCode
from weave_cli.names import SWARM_DRIVER
from weave_cli.output.text import show, show_raw, tell, tell_problem
from weave_cli.settings import read_settings, wants_colour

if TYPE_CHECKING:
    from weave_cli.operations.survey import Status


def list_sections(found: Status) -> Iterator[str]:
    """What the original's script put behind the router's page, and what was left behind on the host."""
    if found.proxy:
        yield f"\n        Service: proxy\n        Address: {' '.join(found.proxy)}"
    if found.has_plugin:
        leaks = str(found.leaks or "")
        told = f"\n          Leaks: {leaks}" if leaks else ""
        yield f"\n        Service: plugin\n     DriverName: weave{told}"
    if found.has_swarm_plugin:
        yield f"\n        Service: swarm plugin\n     DriverName: {SWARM_DRIVER}"


@command("status", kind=PictureCommand, needs=Needs.SOCKETS)
@duration_option(
    "--watch", bare="2s", help="Show it anew every so often until Ctrl-C, as in 5s; default: 2s."
)
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Of topology: draw a picture into a file; - for stdout.",
)
@click.option("--dot", is_flag=True, help="Of topology: print it for Graphviz.")
@click.argument(
    "topics",
    nargs=-1,
    metavar="[targets|connections|peers|dns|ipam|topology]",
    shell_complete=words("targets", "connections", "peers", "dns", "ipam", "topology"),
)
@click.pass_context
def status(
    context: click.Context, *, topics: tuple[str, ...], watch: float | None, svg: str | None, dot: bool
) -> None:
    """Show the state of router, plugin and proxy, or one page of it.

    'topology' draws the mesh: whom this host is connected with, by which overlay and how far away, who is
    connected with whom, and who is not there. Exit status 1 when the router does not answer or is not ready.
    """
    settings = read_settings()
    output = get_output(context)
    is_drawn = svg is not None or dot
    if is_drawn and topics != ("topology",):
        raise click.UsageError("--svg and --dot are for 'weave status topology'", context)
    if watch is not None and (is_drawn or output.is_json):
        raise click.UsageError("--watch shows text only", context)
    if watch is not None or (topics == ("topology",) and not output.is_json):
        from weave_cli.commands.status_pages import show_topology, watch_status

        if watch is not None:
            watch_status(topics, settings, every_s=watch)
        else:
            show_topology(settings, svg_file=svg, wants_dot=dot)
        return
    if output.is_json:
        from weave_cli.commands.status_documents import answer_status

        context.exit(answer_status(topics, settings, output))

    from weave_cli.operations.survey import read_status, read_status_page

    if topics:
        page = read_status_page(topics, settings)
        (show_raw if page.is_ready else tell)(_painted(page.text))
        context.exit(0 if page.is_ready else 1)
    found = read_status(settings)
    show("")
    if found.problem is not None:
        tell_problem(found.problem)
    else:
        (show if found.is_ready else tell)(found.text.rstrip("\n"))
    for section in list_sections(found):
        show(section)
    show("")
    context.exit(0 if found.problem is None and found.is_ready else 1)


def _painted(text: str) -> str:
    """In colour where that is wanted: on a terminal."""
    if not (sys.stdout.isatty() and wants_colour()):
        return text
    from weave_cli.output.painted import paint_page
    from weave_cli.output.signs import coloured

    return paint_page(text, coloured)


@command("report", needs=Needs.ROUTER)
@click.option("-f", "--format", "template", metavar="TEMPLATE", help="A Go template over the report.")
def report(*, template: str | None) -> None:
    """Print the router's full state as JSON, or through a template.

    As in: weave report -f '{{.Router.Name}}'. Nothing is added to what the router answers.
    """
    from weave_cli.operations.asking import ask_router

    output = get_output()
    text = ask_router(lambda api: api.get_report(template), read_settings())
    if template is not None:
        output.answer("RenderedReport", {"text": text}, text=text)
    elif output.is_json:
        import json

        output.answer("Report", json.loads(text))
    else:
        show_raw(text)


@command("ps")
@click.argument("names", nargs=-1, metavar="[CONTAINER]...", shell_complete=one_of("for_ps"))
def ps(*, names: tuple[str, ...]) -> None:
    """List the weave interfaces of containers.

    A line has the container, the MAC address and the IP addresses of an interface. Without arguments: the
    bridge of this host as 'weave:expose', then all running containers. CONTAINER is an id, a name, or
    'weave:expose'.
    """
    from weave_cli.operations.survey import list_attachments

    output = get_output()
    interfaces = []
    for found in list_attachments(names, read_settings()):
        addresses = [str(cidr) for cidr in found.addresses]
        interfaces.append({"owner": found.owner, "mac": found.mac, "addresses": addresses})
        output.show(" ".join([found.owner, found.mac, *addresses]))
    for name in names:
        if not any(one["owner"] == name for one in interfaces):
            output.tell(
                f"{name} is no running container that is on the network; 'weave ps' lists them.",
                NoticeCode.NOTHING_TO_DO,
            )
    output.answer("Interfaces", {"interfaces": interfaces})
