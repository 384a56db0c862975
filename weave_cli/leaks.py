"""What was left behind on a host, as the plugin counts it for `weave status`. A leaf: knows no room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: In the order in which they are told. Devices: veth pairs that belong to no endpoint and no container.
KINDS: Final = ("endpoints", "addresses", "devices", "names")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """Things left behind on the host, by kind: endpoints, addresses, devices, names."""

    suspected: Mapping[str, int]
    """Seen at the plugin's last look; removed if they are dead at the next one."""
    removed: Mapping[str, int]
    """Since the plugin started."""

    def __str__(self) -> str:
        """`2 found (1 endpoint, 1 device), 3 removed`; empty: there never were any."""
        if not any((*self.suspected.values(), *self.removed.values())):
            return ""
        kinds = ", ".join(
            f"{count} {kind.removesuffix('es' if kind == 'addresses' else 's') if count == 1 else kind}"
            for kind, count in self.suspected.items()
            if count
        )
        found = f"{sum(self.suspected.values())} found" + (f" ({kinds})" if kinds else "")
        return f"{found}, {sum(self.removed.values())} removed"
