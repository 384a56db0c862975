"""launch-proxy, stop-proxy, env, config: declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.params import log_level_option, no_restart_option, proxy_options
from weave_cli.commands.place import Needs, is_elsewhere
from weave_cli.commands.rehearsing import answer_rehearsal, dry_run_option
from weave_cli.commands.session import beside_others, changing_host
from weave_cli.commands.usage import command
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import RouterProblem, UsageProblem, WeaveError
from weave_cli.settings import Settings, read_settings

if TYPE_CHECKING:
    from weave_cli.containers.proxy_spec import ProxyOptions

_NO_PROXY: Final = "There is no proxy to point to: 'weave launch-proxy' starts it."


@command("launch-proxy")
@proxy_options
@log_level_option
@no_restart_option
def launch_proxy(**words: Any) -> None:
    """Start the Docker API proxy, and print its container's id.

    Whoever uses Docker through it, as after 'eval $(weave env)', has new containers on the network before
    their programs start. The variable WEAVE_CIDR of a container says with which addresses; 'none' leaves it
    alone.
    """
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.proxy import launch_proxy as act

        container_id = act(docker, settings, make_proxy_options(words), progress)
    get_output().answer(
        "Launched",
        {"router": None, "plugin": None, "proxy": {"container": container_id}},
        text=f"{container_id}\n",
    )


@command("stop-proxy")
@dry_run_option
def stop_proxy(*, dry_run: bool) -> None:
    """Stop the Docker API proxy only; its containers keep their network."""
    if dry_run:
        with beside_others() as (docker, _, progress):
            from weave_cli.operations.rehearsal import rehearse_stop_proxy

            answer_rehearsal(rehearse_stop_proxy(docker, progress))
        return
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.stop import stop_proxy as act

        warning = act(docker, settings, progress)
    if warning:
        get_output().show(warning)


@command("env", needs=Needs.NOTHING)
@click.option("--restore", is_flag=True, help="Print the command that goes back to Docker itself.")
def env(*, restore: bool) -> None:
    """Print the shell command that points docker at the proxy.

    As in: eval $(weave env). Without a proxy, nothing is printed but a message on stderr.
    """
    output, settings = get_output(), read_settings()
    if restore:
        _restore(settings)
        return
    try:
        address = _find_address(settings)
    except WeaveError as problem:
        if problem.code is not Code.PROXY_ABSENT:
            raise
        output.tell("\n".join(filter(None, (problem.message, problem.hint))), NoticeCode.PROXY_ABSENT)
        output.answer("Environment", {"variables": {}})
        return
    variables = {"DOCKER_HOST": address}
    if settings.client_host != address:
        variables["ORIG_DOCKER_HOST"] = settings.client_host
    text = " ".join(f"{name}={value}" for name, value in variables.items())
    output.answer("Environment", {"variables": variables}, text=f"export {text}\n")


def _restore(settings: Settings) -> None:
    original = settings.original_docker_host
    if original is None:
        raise UsageProblem(
            "cannot restore: ORIG_DOCKER_HOST is not set",
            hint="The environment was not changed by 'weave env'.",
            code=Code.BAD_SETTING,
        )
    variables = {"DOCKER_HOST": original}
    get_output().answer("Environment", {"variables": variables}, text=f"DOCKER_HOST={original}\n")


@command("config", needs=Needs.NOTHING)
def config() -> None:
    """Print the option that points docker at the proxy.

    As in: docker $(weave config) run. Without a proxy, nothing is printed but a message on stderr, and the
    exit status is 1.
    """
    option = f"-H={_find_address(read_settings())}"
    get_output().answer("DockerOptions", {"options": [option]}, text=f"{option}\n")


def _find_address(settings: Settings) -> str:
    """The proxy's first; raises RouterProblem when there is none."""
    if is_elsewhere(Needs.ROUTER, settings):
        from weave_cli.commands.forwarding import ask_document

        told = ask_document(settings, Needs.ROUTER, ("config",), tell=get_output().tell)
        address = str(told["options"][0]).removeprefix("-H=")
        if address.startswith("unix://") and not settings.endpoint.is_socket:
            raise RouterProblem(
                f"The proxy listens at {address} only, which no other host reaches.",
                hint="After 'weave stop-proxy', 'weave launch-proxy' from here makes it listen at a port.",
                code=Code.PROXY_ABSENT,
            )
        return address
    from weave_cli.operations.proxy_beacon import find_proxy
    from weave_cli.proxy_places import advertise

    addresses = find_proxy()
    if not addresses:
        raise RouterProblem(_NO_PROXY, code=Code.PROXY_ABSENT)
    return advertise(addresses[0], settings.proxy_name)


@command("proxy-env", needs=Needs.NOTHING, hidden=True)
@click.pass_context
def proxy_env(context: click.Context) -> None:
    """Do what 'weave env' does."""
    get_output(context).tell("Warning: proxy-env is deprecated; please use env", NoticeCode.DEPRECATED)
    context.invoke(env, restore=False)


@command("proxy-config", needs=Needs.NOTHING, hidden=True)
@click.pass_context
def proxy_config(context: click.Context) -> None:
    """Do what 'weave config' does."""
    get_output(context).tell("Warning: proxy-config is deprecated; please use config", NoticeCode.DEPRECATED)
    context.invoke(config)


def make_proxy_options(words: dict[str, Any]) -> ProxyOptions:
    """What was typed behind launch-proxy, or launch."""
    from weave_cli.containers.proxy_spec import ProxyOptions

    return ProxyOptions(
        listen=words["listen"],
        wants_dns=not words["without_dns"],
        wants_default_ipalloc=not words["no_default_ipalloc"],
        rewrites_hosts=not words["no_rewrite_hosts"],
        wants_multicast_route=not words["no_multicast_route"],
        hostname_from_label=words["hostname_from_label"],
        hostname_match=words["hostname_match"],
        hostname_replacement=words["hostname_replacement"],
        rewrites_inspect=words["rewrite_inspect"],
        log_level=words["log_level"],
        restarts=not words["no_restart"],
        detects_tls=not words["no_detect_tls"],
        wants_tls=words["tls"],
        verifies=words["tlsverify"],
        tls_ca=words["tlscacert"],
        tls_certificate=words["tlscert"],
        tls_key=words["tlskey"],
    )
