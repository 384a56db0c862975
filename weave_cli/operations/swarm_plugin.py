"""The managed plugin of a swarm: made, upgraded in its place, stopped and removed.

Docker waits 15 s for each call to a plugin that is gone. So nothing of ours takes it away while containers
are on its networks, but a reset: that cuts them off first, while somebody answers. The networks are the
swarm's: other hosts have containers on them, and nobody but a manager may remove them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from weave_cli.containers import lifecycle, lookup, networks
from weave_cli.containers.client import Docker
from weave_cli.containers.engine import read_engine_facts
from weave_cli.containers.managed_plugin import (
    create_managed,
    disable_managed,
    enable_managed,
    find_managed,
    remove_managed,
)
from weave_cli.containers.managed_spec import ManagedHost, ManagedPlugin, make_config
from weave_cli.containers.networks import OurNetwork
from weave_cli.containers.specs import PluginOptions
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import DockerProblem
from weave_cli.host_files import real_host_path
from weave_cli.images.recipe import content_id
from weave_cli.interrupts import unbroken
from weave_cli.names import SWARM_DRIVER, SWARM_SOCKET, image_name
from weave_cli.operations.plugin_sockets import DIRECTORY, stand_in_at
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.setup import setup
from weave_cli.settings import Settings


def launch_managed(client: Docker, settings: Settings, options: PluginOptions, reporter: Reporter) -> str:
    """Docker has the plugin, enabled and of this installation and these options; answers its id."""
    check_swarm(client)
    found = find_ours(client)
    setup(client, reporter)
    config = _plan(client, settings, options)
    if found is not None and found.is_made_from(config):
        if not found.is_enabled:
            reporter.progress(f"enabling plugin {SWARM_DRIVER}")
            enable_managed(client)
        return found.id
    with unbroken():
        if found is not None:
            reporter.progress(f"replacing plugin {SWARM_DRIVER} of weave {found.version}")
            # Containers go on talking meanwhile; what Docker wants of the driver now fails.
            disable_managed(client)
            remove_managed(client)
        reporter.progress(f"making plugin {SWARM_DRIVER}")
        try:
            create_managed(client, config, image=image_name())
            enable_managed(client)
        except DockerProblem as problem:
            remove_managed(client)
            raise DockerProblem(
                problem.message,
                hint=problem.hint or "Mend that, then repeat 'weave launch-plugin --managed'.",
                code=Code.START_FAILED,
            ) from problem
    made = find_managed(client)
    if made is None:
        raise DockerProblem(f"plugin {SWARM_DRIVER} was removed while it was launched", hint="Try again.")
    return made.id


def resume_managed(client: Docker, reporter: Reporter) -> None:
    """For a launch of everything: enable it again, if a stop has disabled it."""
    found = find_managed(client)
    if found is None or found.version is None or found.is_enabled:
        return
    reporter.progress(f"enabling plugin {SWARM_DRIVER}")
    enable_managed(client)


def stop_managed(client: Docker, reporter: Reporter) -> bool:
    """Disable it, unless containers of this host are on its networks; False when there is none enabled."""
    found, in_use = find_stoppable(client)
    if found is None:
        return False
    if in_use:
        reporter.notice(say_that_plugin_stays(in_use), NoticeCode.NETWORK_STAYS)
        return True
    reporter.progress(f"disabling plugin {SWARM_DRIVER}")
    disable_managed(client)
    return True


def find_stoppable(client: Docker) -> tuple[ManagedPlugin | None, Sequence[OurNetwork]]:
    """The plugin, if it is ours and enabled; and its networks that containers of this host are on."""
    found = find_managed(client)
    if found is None or found.version is None or not found.is_enabled:
        return None, ()
    return found, [network for network in networks.list_swarm_networks(client) if network.attached]


def dissolve_managed(client: Docker, reporter: Reporter) -> None:
    """Cut this host's containers off the swarm's networks and remove the plugin; the networks stay."""
    found = find_managed(client)
    if found is None or found.version is None:
        return
    with answering(found):
        left = networks.list_swarm_networks(client)
        for network in left:
            if not network.attached:
                continue
            reporter.notice(f"Cut off from network {network.name}: {_names(network)}.", NoticeCode.CUT_OFF)
            for attached in network.attached:
                try:
                    networks.disconnect(client, network, attached)
                except DockerProblem as problem:
                    reporter.notice(f"WARNING: {problem.message}", NoticeCode.NETWORK_STAYS)
    reporter.progress(f"removing plugin {SWARM_DRIVER}")
    disable_managed(client)
    remove_managed(client)
    if left:
        names = " ".join(network.name for network in left)
        reporter.notice(
            f"Networks of the swarm stay: {names}. If this host is a manager, Docker looks for their plugin"
            f" at its start, 15 s for each. If no host needs them: docker network rm {names}",
            NoticeCode.NETWORK_STAYS,
        )


def find_ours(client: Docker) -> ManagedPlugin | None:
    """The plugin of our name; raises NameTaken when somebody else made it."""
    found = find_managed(client)
    if found is not None and found.version is None:
        raise lifecycle.NameTaken(
            f"there is a plugin {SWARM_DRIVER} already, which was not made by weave",
            hint=f"Remove it: docker plugin rm -f {SWARM_DRIVER}",
        )
    return found


def check_swarm(client: Docker) -> None:
    """Raises DockerProblem where a managed plugin would have nothing to serve, or would do harm."""
    facts = read_engine_facts(client)
    if not facts.is_in_swarm:
        raise DockerProblem(
            "cannot launch the managed plugin: this host is in no swarm",
            hint="First 'docker swarm init', or 'docker swarm join ...' as a manager says it.\n"
            "Without a swarm: 'weave launch', then 'weave network create'.",
        )


def say_that_plugin_stays(in_use: Sequence[OurNetwork]) -> str:
    """The warning that goes with networks that somebody is on."""
    users = "; ".join(f"{network.name}: {_names(network)}" for network in in_use)
    return (
        f"WARNING: plugin {SWARM_DRIVER} stays enabled, because containers are attached ({users}).\n"
        "Docker would wait 15 s and more for each of them that ends. To stop it all the same:"
        f" docker plugin disable -f {SWARM_DRIVER}"
    )


@contextmanager
def answering(found: ManagedPlugin) -> Iterator[None]:
    """Somebody answers where Docker calls the plugin: itself, or a stand-in that agrees to everything."""
    with ExitStack() as stack:
        directory = Path(DIRECTORY, found.id)
        if not found.is_enabled and directory.is_dir():
            stack.enter_context(stand_in_at(directory / SWARM_SOCKET))
        yield


def _plan(client: Docker, settings: Settings, options: PluginOptions) -> dict[str, Any]:
    host = ManagedHost(
        state_directory=lifecycle.ensure_volume(client, settings.state_volume),
        docker_socket=real_host_path(settings.docker_socket),
        image_environment=lookup.read_image_environment(client, image_name()),
        content=content_id(),
    )
    return make_config(options, settings, host)


def _names(network: OurNetwork) -> str:
    return ", ".join(attached.name for attached in network.attached)
