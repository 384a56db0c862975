"""Which containers stay down for want of the plugin: in the words of engines 20.10, 26.1 and 28.5."""

from __future__ import annotations

from typing import Any

import pytest

from weave_cli.containers.stranded import is_stranded

pytestmark = pytest.mark.unit

_ABSENT = (
    'legacy plugin: could not read CA certificate "/the-weave-plugin-is-not-running": open'
    " /the-weave-plugin-is-not-running: no such file or directory"
)


def facts(error: str, *, policy: str = "always", status: str = "exited") -> dict[str, Any]:
    return {
        "State": {"Status": status, "Error": error},
        "HostConfig": {"RestartPolicy": {"Name": policy, "MaximumRetryCount": 0}},
    }


@pytest.mark.parametrize(
    "error",
    [
        _ABSENT,
        f"failed to set up container networking: failed to add endpoint: {_ABSENT}",
        'failed to get network driver: plugin "weavemesh" not found',
        "legacy plugin: dial unix /run/docker/plugins/weave.sock: connect: connection refused",
        "NetworkDriver.CreateEndpoint: the weave plugin was not done with it within 10 s",
        "NetworkDriver.CreateEndpoint: weave bridge not present. Did you launch weave?",
        "IpamDriver.RequestAddress: weave container is not present. Have you launched it?",
        "IpamDriver.RequestAddress: no address in 10.32.0.0/12 within 8 s: weave container is not present."
        " Have you launched it?",
        "IpamDriver.RequestAddress: the router did not answer POST /ip/10.32.0.1/10.32.0.0/12 in time",
        'Post "http://%2Frun%2Fdocker%2Fplugins%2Fweavemesh.sock/NetworkDriver.Join": EOF',
        'plugin "weave:swarm" not found',
        f"dial unix /run/docker/plugins/{64 * 'a'}/weave-swarm.sock: connect: no such file or directory",
    ],
)
@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_what_failed_for_want_of_the_plugin_is_stranded(error: str, policy: str) -> None:
    assert is_stranded(facts(error, policy=policy))


@pytest.mark.parametrize(
    "found",
    [
        facts("", policy="always"),  # somebody stopped it, or it ended
        facts(_ABSENT, policy="no"),  # Docker would not start it either
        facts(_ABSENT, policy=""),
        facts(_ABSENT, status="running"),
        facts(_ABSENT, status="created"),  # its `docker run` failed, and said so
        facts('failed to get network driver: plugin "calico" not found'),
        facts("driver failed programming external connectivity: port is already allocated"),
        # Of other plugins, on whose networks or volumes the container is as well.
        facts("dial unix /run/docker/plugins/myweave.sock: connect: connection refused"),
        facts("dial unix /run/docker/plugins/weave.sock.old: connect: connection refused"),
        facts('Post "http://%2Frun%2Fdocker%2Fplugins%2Fnetweave.sock/NetworkDriver.Join": EOF'),
        facts('plugin "weave-flat" not found'),
        facts('error looking up volume plugin weave: plugin "weave" not found'),
        facts("NetworkDriver.Join: the router did not answer in time"),
        facts("NetworkDriver.Join: the router did not answer ARP"),
        facts("OtherDriver.Join: weave container is not present. Have you launched it?"),
        facts("exec: /the-weave-plugin-is-not-running-here: not found"),
    ],
)
def test_others_are_not(found: dict[str, Any]) -> None:
    assert not is_stranded(found)
