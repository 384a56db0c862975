"""A cluster store for engine 20.10: etcd, unpacked from Debian's package and never installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final, Self

from tests.lab.busybox import CACHE
from tests.lab.switch import Switch

_PACKAGE: Final = "etcd-server"
_START_S: Final = 20.0


class EtcdMissing(Exception):
    """No etcd can be had here, or it does not start; says why."""


def _program() -> Path:
    """etcd, fetched when it is not in the cache yet."""
    root = CACHE / "etcd"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "etcd.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            work = root.with_name("etcd.new")
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            for command in (
                ["apt-get", "-q", "-oAPT::Sandbox::User=root", "download", _PACKAGE],
                ["sh", "-c", "dpkg -x *.deb root"],
            ):
                done = subprocess.run(command, cwd=work, check=False, capture_output=True, text=True)
                if done.returncode != 0:
                    raise EtcdMissing(f"{' '.join(command)} failed: {done.stderr.strip()}")
            os.rename(work / "root", root)
            shutil.rmtree(work)
    return root / "usr/bin/etcd"


class Etcd:
    """etcd on the switch, which all hosts reach at `url`. Use it as a context manager: nothing stays."""

    def __init__(self, switch: Switch, directory: Path) -> None:
        self.url = f"http://{switch.subnet}.254:2379"
        self._switch = switch
        self._directory = directory

    def __enter__(self) -> Self:
        program = _program()
        self._log = open(self._directory / "etcd.log", "wb")
        self._process = subprocess.Popen(
            [
                *("ip", "netns", "exec", self._switch.namespace, program, "--enable-v2"),
                *("--data-dir", self._directory / "etcd"),
                *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
                *("--listen-peer-urls", "http://127.0.0.1:2380"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise EtcdMissing((self._directory / "etcd.log").read_text()[-2000:])
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _answers(self) -> bool:
        asked = subprocess.run(
            ["ip", "netns", "exec", self._switch.namespace, "bash", "-c", self._question()],
            check=False,
            capture_output=True,
        )
        return asked.returncode == 0

    def _question(self) -> str:
        host = self.url.removeprefix("http://").removesuffix(":2379")
        return f"exec 3<>/dev/tcp/{host}/2379"
