"""What the tests and the demo need on a fresh Debian 12: installs the missing packages.

Run as a script by the Makefile before there is a virtual environment, hence the standard library only.
Debian's docker.io starts an engine by systemd on ordinary machines; that engine is left alone and not used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "busybox-static",  # what the image of the lab's containers is made of
    "containerd",
    "dnsperf",
    "docker-compose",
    "docker.io",
    "fish",  # the shells that completion is tried in
    "iperf3",
    "iproute2",
    "iptables",
    "kmod",
    "procps",
    "python3-venv",
    "qemu-user",  # runs the waiting program of another processor
    "runc",
    "systemd",  # runs hosts of the lab that are to boot; it need not run the machine
    "util-linux",
    "zsh",
)

# Loaded here, since an engine in a namespace may not do it; nothing to load where they are built in.
MODULES: Final = ("br_netfilter", "overlay", "veth", "vxlan", "xt_addrtype", "xt_conntrack", "xt_MASQUERADE")


def missing_packages() -> list[str]:
    """Those of PACKAGES that are not installed."""
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES],
        check=False,
        capture_output=True,
        text=True,
    )
    installed = {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


def install(packages: list[str]) -> None:
    """Install them with apt-get, with fresh lists; raises CalledProcessError."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    for command in (["update"], ["-y", "--no-install-recommends", "install", *packages]):
        subprocess.run([*apt, *command], check=True, env=quiet, stdin=subprocess.DEVNULL)


def load_modules() -> None:
    """Ask for the kernel modules; what a machine lacks shows up in the tests that need it."""
    for module in MODULES:
        subprocess.run(["modprobe", "-q", module], check=False, capture_output=True)


def unmet() -> str | None:
    """Why lab hosts cannot be brought up here, with what to do; None: they can."""
    if os.geteuid() != 0:
        return "lab hosts need root (network and mount namespaces): run the tests as root"
    absent = [
        path
        for path in ("/usr/sbin/dockerd", "/usr/bin/busybox", "/usr/sbin/iptables")
        if not Path(path).exists()
    ]
    if absent:
        return f"{', '.join(absent)} missing: run `python3 tests/lab/needs.py`, which installs what is needed"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "true"],
        check=False,
        capture_output=True,
        text=True,
    )
    if tried.returncode != 0:
        return f"namespaces cannot be made here: {tried.stderr.strip()}"
    return None


def main() -> int:
    """Install what is missing and check that lab hosts can run."""
    if shutil.which("dpkg-query") is None:
        sys.stderr.write("needs: no Debian here; install by hand what the head of needs.py lists\n")
        return 1
    absent = missing_packages()
    if absent and os.geteuid() != 0:
        sys.stderr.write(f"needs: not root, so cannot install {' '.join(absent)}\n")
        return 1
    if absent:
        install(absent)
    load_modules()
    reason = unmet()
    if reason:
        sys.stderr.write(f"needs: {reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
