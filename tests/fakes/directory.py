"""Who is in the mesh, said by the test; plays PeerDirectory."""

from __future__ import annotations

from dataclasses import dataclass, field

from weave_cli.names import PeerName


@dataclass
class FakeDirectory:
    """The known peers with their nicknames."""

    nicknames: dict[PeerName, str] = field(default_factory=dict)

    def is_known(self, name: PeerName) -> bool:
        return name in self.nicknames

    def nickname_of(self, name: PeerName) -> str:
        return self.nicknames.get(name, "")


class Everybody(FakeDirectory):
    """A mesh in which every peer is known."""

    def is_known(self, name: PeerName) -> bool:
        return True
