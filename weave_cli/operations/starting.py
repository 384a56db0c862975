"""What all launches share: whether a container's name is free, and its start."""

from __future__ import annotations

from weave_cli.containers import lifecycle, lookup
from weave_cli.containers.client import Docker
from weave_cli.containers.specs import ContainerSpec
from weave_cli.interrupts import unbroken
from weave_cli.operations.reporter import Reporter


def start(client: Docker, spec: ContainerSpec, reporter: Reporter) -> str:
    """Create and start it; answers its id."""
    reporter.progress(f"starting container {spec.name}")
    with unbroken():
        container_id = lifecycle.create_container(client, spec)
        lifecycle.start_container(client, container_id, name=spec.name)
    return container_id


def check_not_running(client: Docker, name: str, component: str) -> None:
    """Refuse, or clear a stopped container of ours away (specification cli, section 9.4)."""
    found = lookup.find_our_container(client, name)
    if found is None:
        return
    if not found.is_ours:
        state = "another running container" if found.is_running else "another container"
        raise lifecycle.NameTaken(
            f"cannot launch the {component}: there is {state} named {name} (image {found.image})",
            hint=f"Rename or remove it: docker rm -f {name}",
        )
    if found.is_running:
        raise lifecycle.AlreadyRunning(
            f"{name} is already running", hint=f"You can stop it with 'weave stop-{component}'."
        )
    if found.status == "restarting":
        raise lifecycle.Restarting(
            f"{name} is restarting; it may fail again and again",
            hint=f"See 'docker logs {name}'; you can stop it with 'weave stop-{component}'.",
        )
    lifecycle.remove_container(client, found.id)
