"""The /etc/hosts of attached containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from weave_cli.addresses import parse_cidr
from weave_cli.containers.hostsfile import ExtraHost, parse_extra_host, render_hosts, rewrite_hosts
from weave_cli.errors import DockerProblem, UsageProblem

pytestmark = pytest.mark.unit

_CIDRS = (parse_cidr("10.2.1.1/24"), parse_cidr("10.2.2.1/24"))


def test_the_whole_file() -> None:
    extra = [ExtraHost("box", "10.9.9.9"), ExtraHost("six", "fd00::1")]
    assert render_hosts("foo", "weave.local", _CIDRS, extra) == (
        "# created by Weave - BEGIN\n"
        "# container hostname\n"
        "10.2.1.1    foo.weave.local foo\n"
        "10.2.2.1    foo.weave.local foo\n"
        "\n"
        "# static names added with --add-host\n"
        "10.9.9.9     box\n"
        "fd00::1     six\n"
        "\n"
        "# default localhost entries\n"
        "127.0.0.1       localhost\n"
        "::1             ip6-localhost ip6-loopback\n"
        "fe00::0         ip6-localnet\n"
        "ff00::0         ip6-mcastprefix\n"
        "ff02::1         ip6-allnodes\n"
        "ff02::2         ip6-allrouters\n"
        "# created by Weave - END\n"
    )


@pytest.mark.parametrize(
    ("hostname", "domainname", "line"),
    [
        ("foo", "", "10.2.1.1    foo"),
        ("foo.weave.local", "", "10.2.1.1    foo.weave.local foo"),
        ("foo.weave.local.", "", "10.2.1.1    foo.weave.local foo"),
    ],
)
def test_names_of_both_docker_spellings(hostname: str, domainname: str, line: str) -> None:
    assert line in render_hosts(hostname, domainname, _CIDRS).splitlines()


def test_the_container_sees_the_new_file_and_later_writers_have_another(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("old")
    with path.open() as seen_by_the_container:
        rewrite_hosts(path, "new")
        assert seen_by_the_container.read() == "new"
        path.write_text("Docker was here")
        seen_by_the_container.seek(0)
        assert seen_by_the_container.read() == "new"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DockerProblem, match="hosts"):
        rewrite_hosts(tmp_path / "gone" / "hosts", "new")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("box:10.9.9.9", ExtraHost("box", "10.9.9.9")), ("six:fd00::1", ExtraHost("six", "fd00::1"))],
)
def test_extra_hosts_are_name_and_address(text: str, expected: ExtraHost) -> None:
    assert parse_extra_host(text) == expected


@pytest.mark.parametrize("text", ["box", "box:", ":10.9.9.9", "", "box:10.9.9.9\n10.1.1.1 evil"])
def test_extra_hosts_without_either_are_refused(text: str) -> None:
    with pytest.raises(UsageProblem, match="bad format for add-host"):
        parse_extra_host(text)
