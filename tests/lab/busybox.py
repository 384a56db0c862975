"""An image for the lab's containers, made of Debian's busybox-static: there is no registry to pull from."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Final

CACHE: Final = Path("/var/cache/weave-lab")
_BUSYBOX: Final = Path("/usr/bin/busybox")
_DIRECTORIES: Final = (
    "bin sbin usr usr/bin usr/sbin etc tmp root proc sys dev run var var/run var/www home".split()
)
_FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "var/www/index.html": "hello\n",
}


def image_tar() -> Path:
    """The root file system as a tar for `docker import`; made once per version of busybox."""
    CACHE.mkdir(parents=True, exist_ok=True)
    stamp = _BUSYBOX.stat()
    made = CACHE / f"busybox-{stamp.st_size}-{int(stamp.st_mtime)}.tar"
    with open(CACHE / "busybox.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            written = made.with_suffix(".new")
            _write(written)
            os.rename(written, made)
    return made


def _write(path: Path) -> None:
    applets = subprocess.run([_BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    with tarfile.open(path, "w") as tar:
        for name in _DIRECTORIES:
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        _add_file(tar, "bin/busybox", _BUSYBOX.read_bytes(), 0o755)
        for name, text in _FILES.items():
            _add_file(tar, name, text.encode(), 0o644)
        for applet in applets:
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type = tarfile.SYMTYPE
                entry.linkname = "/bin/busybox"
                tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))
