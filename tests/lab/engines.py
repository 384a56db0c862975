"""Docker engines for the lab: the machine's own, and later ones unpacked from later Debian releases.

A later engine is fetched with apt, from the archive that this machine is set up with, into a cache of its own
and never installed. Its programs come first in the PATH of the hosts that run it; runc is the machine's.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.busybox import CACHE

DEFAULT: Final = "20.10"
# Debian releases in which a version is looked for, in this order; none: the machine's own packages.
_RELEASES: Final[dict[str, tuple[str, ...]]] = {
    "20.10": (),
    "26.1": ("trixie",),
    "28.5": ("forky", "sid"),
}
VERSIONS: Final = tuple(_RELEASES)
_PACKAGES: Final = ("docker.io", "docker-cli", "containerd")
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SYSTEM_PATH: Final = ("/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class EngineMissing(Exception):
    """No such engine can be had here; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine ready to be started: `path` are the directories in which its programs are found first."""

    version: str
    path: tuple[str, ...]


def prepare(version: str) -> Engine:
    """The engine of that version, fetched when it is not in the cache yet. Raises EngineMissing."""
    releases = _RELEASES.get(version)
    if releases is None:
        raise EngineMissing(f"unknown engine {version!r}: one of {', '.join(VERSIONS)}")
    if not releases:
        _expect(version, Path("/usr/sbin/dockerd"))
        return Engine(version=version, path=_SYSTEM_PATH)
    root = CACHE / "engines" / version
    with _locked():
        if not root.exists():
            _fetch(version, releases, root)
    return Engine(version=version, path=(f"{root}/usr/sbin", f"{root}/usr/bin", *_SYSTEM_PATH))


@contextmanager
def _locked() -> Iterator[None]:
    (CACHE / "engines").mkdir(parents=True, exist_ok=True)
    with open(CACHE / "engines.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(version: str, releases: tuple[str, ...], root: Path) -> None:
    problems = []
    for release in releases:
        work = root.with_name(f"{version}.new")
        shutil.rmtree(work, ignore_errors=True)
        try:
            _unpack(_download(release, work / "apt"), work / "root")
            _expect(version, work / "root/usr/sbin/dockerd")
            os.rename(work / "root", root)
            return
        except EngineMissing as problem:
            problems.append(f"{release}: {problem}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise EngineMissing(f"engine {version} cannot be had: {'; '.join(problems)}")


def _download(release: str, work: Path) -> list[Path]:
    """The release's packages, fetched with lists of their own so that the machine's apt never sees them."""
    (work / "lists/partial").mkdir(parents=True)
    (work / "archives/partial").mkdir(parents=True)
    (work / "debs").mkdir()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (work / "sources.list").write_text(f"deb {signed}{_archive()} {release} main\n")
    options = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache::archives": work / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    for command in (["update"], ["download", *_PACKAGES]):
        done = subprocess.run(
            [*apt, *command],
            cwd=work / "debs",
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise EngineMissing(f"apt-get {command[0]} failed: {done.stderr.strip()}")
    return sorted((work / "debs").glob("*.deb"))


def _archive() -> str:
    """The address of the Debian archive that this machine's own release comes from."""
    release = Path("/etc/os-release").read_text()
    named = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    listed = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = {named[1] if named else "", "stable", "oldstable"}
    for line in listed.stdout.splitlines():
        address, suite, component = line.rsplit(" ", 2)
        if suite in wanted and component == "main":
            return address
    raise EngineMissing("no Debian archive among the apt sources of this machine")


def _unpack(packages: list[Path], root: Path) -> None:
    root.mkdir()
    for package in packages:
        subprocess.run(["dpkg", "-x", package, root], check=True)


def _expect(version: str, dockerd: Path) -> None:
    try:
        said = subprocess.run([dockerd, "--version"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        raise EngineMissing(f"{dockerd} does not run: {problem}") from problem
    if f"version {version}." not in said:
        raise EngineMissing(f"{dockerd} is another version: {said.strip()}")
