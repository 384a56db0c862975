"""Options of `docker run` for our own containers."""

from __future__ import annotations

from typing import Any

import pytest

from weave_cli.containers.extra_options import add_to_host_config, parse_extra_options
from weave_cli.errors import UsageProblem

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "host_config"),
    [
        ("", {}),
        ("-m512m", {"Memory": 512 << 20}),
        ("--memory 1gb --memory-swap=-1", {"Memory": 1 << 30, "MemorySwap": -1}),
        (
            "-c 512 --cpuset-cpus 0,1 --cpus=1.5",
            {"CpuShares": 512, "CpusetCpus": "0,1", "NanoCpus": 1_500_000_000},
        ),
        ("-v /a:/a --volume='/b c:/b'", {"Binds": ["/a:/a", "/b c:/b"]}),
        ("--restart on-failure:3", {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
        ("--log-driver journald", {"LogConfig": {"Type": "journald", "Config": {}}}),
        ("--log-opt max-size=1m", {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}}),
        ("--ulimit nofile=10:20", {"Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}]}),
        (
            "--device /dev/x",
            {"Devices": [{"PathOnHost": "/dev/x", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}]},
        ),
    ],
)
def test_options_become_words_of_the_engine_s_api(text: str, host_config: dict[str, Any]) -> None:
    assert parse_extra_options("WEAVE_DOCKER_ARGS", text).host_config == host_config


def test_variables_and_labels_are_pairs_and_not_shown() -> None:
    extra = parse_extra_options("WEAVE_DOCKER_ARGS", "-e A=b=c --env=B= -l x")
    assert (extra.environment, extra.labels) == ({"A": "b=c", "B": ""}, {"x": ""})
    assert "b=c" not in repr(extra)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("--privileged", "'--privileged': no such option"),
        ("--name x", "'--name': no such option"),
        ("busybox", "'busybox': no such option"),
        ("--memory much", "'--memory=much': it is a number"),
        ("--restart often", "no, always"),
        ("--cpus=x", "'--cpus=x'"),
        ("-v 'x", "No closing quotation"),
    ],
)
def test_what_is_not_taken_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(UsageProblem, match=reason) as caught:
        parse_extra_options("WEAVE_DOCKER_ARGS", text)
    assert caught.value.message.startswith("invalid value in WEAVE_DOCKER_ARGS: ")
    assert "--memory" in (caught.value.hint or "")


def test_lists_grow_and_values_are_replaced() -> None:
    ours: dict[str, Any] = {"Binds": ["/a:/a"], "RestartPolicy": {"Name": "always"}, "CapAdd": None}
    add_to_host_config(ours, parse_extra_options("X", "-v /b:/b --restart no --cap-add SYS_TIME"))
    assert ours == {
        "Binds": ["/a:/a", "/b:/b"],
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "CapAdd": ["SYS_TIME"],
    }
