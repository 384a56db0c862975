"""What happens in Docker, as a stream of values for daemons: containers start and die, networks come and go.

Knows no plugin and no router. The stream blocks: read it in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.containers.client import Docker, translated

#: All that is asked for; Docker also tells of every command executed in a container.
_ACTIONS: Final = ("start", "die", "rename", "destroy", "connect", "disconnect")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """`action`: start, die, rename or destroy."""

    action: str
    container_id: str
    exit_status: int | None = None
    """Of one that died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEvent:
    """`action`: connect or disconnect (of a container, also one that just starts or ends), or destroy."""

    action: str
    network_id: str
    driver: str
    container_id: str


Event = ContainerEvent | NetworkEvent


class EventStream:
    """The events from the moment of its making on, until Docker or `close` ends it."""

    def __init__(self, client: Docker) -> None:
        """Returns once Docker has the subscription; raises DockerProblem when it has not."""
        filters = {"type": ["container", "network"], "event": list(_ACTIONS)}
        with translated("subscribe to Docker's events"):
            self._stream = client.api.events(filters=filters, decode=True)

    def __iter__(self) -> Iterator[Event]:
        with translated("read Docker's events"):
            for message in self._stream:
                event = read_event(message)
                if event is not None:
                    yield event

    def close(self) -> None:
        """End it from another thread."""
        with suppress(Exception):  # the SDK digs for the socket below the response, which may be gone
            self._stream.close()


def read_event(message: Mapping[str, Any]) -> Event | None:
    """One message of Docker's stream; None for those that are neither of a container nor of a network."""
    actor = message.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    action = message.get("Action") or ""
    if message.get("Type") == "container":
        status = attributes.get("exitCode") or ""
        return ContainerEvent(
            action=action,
            container_id=actor.get("ID") or "",
            exit_status=int(status) if status.isdecimal() else None,
        )
    if message.get("Type") == "network":
        return NetworkEvent(
            action=action,
            network_id=actor.get("ID") or "",
            driver=attributes.get("type") or "",
            container_id=attributes.get("container") or "",
        )
    return None
