"""Files of the host, seen from a helper container."""

from __future__ import annotations

from pathlib import Path

import pytest

from weave_cli.host_files import follow_links, on_host

pytestmark = pytest.mark.unit


def test_paths_are_the_host_s_own_unless_its_files_are_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_host("/etc/x") == Path("/etc/x")
    monkeypatch.setenv("WEAVE_HELPER_ROOT", "/proc/1/root")
    assert on_host("/etc/x") == Path("/proc/1/root/etc/x")


def test_links_of_the_host_stay_on_the_host(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "var").symlink_to("/run")
    (tmp_path / "etc/resolv.conf").symlink_to("../var/systemd/./resolv.conf")
    root = str(tmp_path)
    assert follow_links("/etc/resolv.conf", root) == "/run/systemd/resolv.conf"
    (tmp_path / "etc/out").symlink_to("../../../../etc/hostname")
    assert follow_links("/etc/out", root) == "/etc/hostname"
    (tmp_path / "etc/loop").symlink_to("loop")
    assert follow_links("/etc/loop", root) == "/etc/loop"
