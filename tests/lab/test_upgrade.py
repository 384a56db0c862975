"""Another version launched over one that runs with containers: a TCP connection between hosts stays alive."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import weave_cli
from tests.lab.asking import address, meets, report
from tests.lab.checks import until
from tests.lab.hosts import LabHost

_OLDER: Final = "0.0.9"
_PLACE: Final = "/var/lib/older"


def install_older(host: LabHost) -> str:
    """A copy of this installation that calls itself older; what to type for its `weave`."""
    package = Path(weave_cli.__file__).parent
    host.run(
        f"mkdir -p {_PLACE} && cp -r {package} {_PLACE}/ && cd {_PLACE}/weave_cli &&"
        f" sed -i 's/^__version__ = .*/__version__ = \"{_OLDER}\"/' __init__.py"
    )
    return f"PYTHONPATH={_PLACE} python -m weave_cli"


def echoed(host: LabHost) -> int:
    """Lines that have come back to the client."""
    return int(host.run("docker exec client wc -l /echoed").split()[0])


def _goes_on(host: LabHost) -> None:
    before = echoed(host)
    until(lambda: echoed(host) > before + 3, 30, "lines come back over the connection")


def test_connections_outlive_an_upgrade(two_hosts: tuple[LabHost, LabHost]) -> None:
    one, two = two_hosts
    older = install_older(one)
    install_older(two)
    one.run(f"{older} launch", timeout=120)
    two.run(f"{older} launch $HOST1", timeout=120)
    meets(one, 1)
    assert report(one)["Version"] == report(two)["Version"] == _OLDER
    two.run("docker run -d --init --name server --net weave busybox nc -l -p 5000 -e cat")
    one.run("docker run -d --init --name ended --net weave busybox sleep 1d && docker stop ended")
    sends = "while :; do echo alive; sleep 0.1; done | nc $0 5000 >/echoed"
    one.run(
        f"docker run -d --init --name client --net weave busybox sh -c '{sends}' {address(two, 'server')}"
    )
    until(lambda: echoed(one) > 3, 30, "the connection is there")

    for host, peer in ((one, "$HOST2"), (two, "$HOST1")):
        host.run("weave stop", timeout=120)
        host.run(f"weave launch {peer}", timeout=120)
        meets(host, 1, timeout=60)
        _goes_on(one)
    assert report(one)["Version"] == report(two)["Version"] == weave_cli.__version__
    # And what stood still, or comes only now, is on the same network.
    one.run("docker start ended && docker exec ended ping -c1 -W5 -q " + address(two, "server"))
    assert len({address(one, "ended"), address(one, "client"), address(two, "server")}) == 3
