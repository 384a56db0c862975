"""Containers that do nothing, for trials of the network; found again by their label, whatever happens."""

from __future__ import annotations

from typing import Any, Final

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.lifecycle import remove_container
from weave_cli.interrupts import unbroken
from weave_cli.names import TEST_LABEL

_COMMAND: Final = ("python", "-c", "import signal; signal.pause()")


def start_workload(
    client: Docker, *, image: str, name: str, hostname: str, run: str, network: str | None, dns: str | None
) -> str:
    """A container that waits to be killed; its id. network: None for Docker's default one."""
    with translated(f"start container {name}"):
        host_config = client.api.create_host_config(
            network_mode=network or "default", dns=[dns] if dns else None, cap_drop=["ALL"]
        )
        # Interrupted before Docker has answered, it would appear after we looked for it.
        with unbroken():
            answer: dict[str, Any] = client.api.create_container(
                image,
                command=list(_COMMAND),
                name=name,
                hostname=hostname,
                labels={TEST_LABEL: run},
                environment={"WEAVE_CIDR": "none"},
                host_config=host_config,
            )
        client.api.start(answer["Id"])
        return str(answer["Id"])


def remove_workloads(client: Docker) -> list[str]:
    """All of them, of whatever run; their names."""
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": TEST_LABEL})
    for row in rows:
        remove_container(client, row["Id"])
    return [str(row["Names"][0]).removeprefix("/") for row in rows if row["Names"]]
