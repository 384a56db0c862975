"""Upstream servers from a resolv.conf: which lines count, and when the file is read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weave_cli.router.runtime.dns_resolv_conf import CHECK_INTERVAL_S, ResolvConf, parse_nameservers

pytestmark = pytest.mark.unit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, *servers: str, changed_at: int = 1) -> None:
    path.write_text("".join(f"nameserver {server}\n" for server in servers))
    os.utime(path, (changed_at, changed_at))


def test_only_nameserver_lines_with_an_address_count() -> None:
    text = """# nameserver 10.0.0.1
    domain example.com
    nameserver 10.0.0.2
      nameserver\t10.0.0.3 # trailing words
    nameserver
    nameserver dns.example.com
    nameserver 10.0.0.2
    nameserver fe80::1%eth0
    search nameserver
    """
    assert parse_nameservers(text) == ["10.0.0.2", "10.0.0.3", "fe80::1%eth0"]


def test_our_own_address_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    write(path, "172.17.0.1", "10.0.0.2")
    assert ResolvConf(path, lambda server: server == "172.17.0.1").servers() == ("10.0.0.2",)


def test_a_change_is_seen_at_the_next_check_and_not_before(tmp_path: Path) -> None:
    path, clock = tmp_path / "resolv.conf", Clock()
    write(path, "10.0.0.1", changed_at=1)
    conf = ResolvConf(path, lambda server: False, clock)
    assert conf.servers() == ("10.0.0.1",)
    write(path, "10.0.0.2", changed_at=2)
    clock.now += CHECK_INTERVAL_S - 0.1
    assert conf.servers() == ("10.0.0.1",)
    clock.now += 0.1
    assert conf.servers() == ("10.0.0.2",)
    # The same time of change means the same content.
    write(path, "10.0.0.3", changed_at=2)
    clock.now += CHECK_INTERVAL_S
    assert conf.servers() == ("10.0.0.2",)


def test_a_file_that_comes_and_goes_is_followed(tmp_path: Path) -> None:
    path, clock = tmp_path / "resolv.conf", Clock()
    conf = ResolvConf(path, lambda server: False, clock)
    assert conf.servers() == ()
    for expected in (("10.0.0.1",), (), ("10.0.0.1",)):
        if expected:
            write(path, *expected)
        else:
            path.unlink()
        clock.now += CHECK_INTERVAL_S
        assert conf.servers() == expected
