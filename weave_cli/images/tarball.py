"""The image as one tar: the same files give the same octets. Knows no Docker."""

from __future__ import annotations

import importlib.util
import io
import marshal
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.images.collect import FileTree
from weave_cli.images.elf import trim_elf
from weave_cli.names import STATE_DIRECTORY, SYSCTL_NET_MOUNT

_DIRECTORIES: Final = {
    "/run": 0o755, "/tmp": 0o1777, "/etc": 0o755, "/proc": 0o755, "/sys": 0o755, "/dev": 0o755,
    STATE_DIRECTORY: 0o700, SYSCTL_NET_MOUNT: 0o755, "/weave/host": 0o755, "/run/docker/plugins": 0o755,
}  # fmt: skip
_TEXTS: Final = {
    "/etc/passwd": "root:x:0:0:root:/:/sbin/nologin\n",
    "/etc/group": "root:x:0:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}
_PYC_HEADER_SIZE: Final = 16
#: Flag of a .pyc that is never compared with its source (PEP 552), as image files have no meaningful times.
_UNCHECKED_HASH: Final = (1).to_bytes(4, "little")
_PIECE_SIZE: Final = 1 << 20


def tar_pieces(tree: FileTree, on_progress: Callable[[int, int], None]) -> Iterator[bytes]:
    """The tar in pieces of about a mebibyte; on_progress(files done, files in all).

    Raises HostProblem when a file cannot be read.
    """
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, mode in sorted(_DIRECTORIES.items()):
            _add(tar, name, tarfile.DIRTYPE, mode)
        for name, text in sorted({**_TEXTS, **tree.texts}.items()):
            _add(tar, name, tarfile.REGTYPE, 0o644, text.encode())
        for link, target in sorted(tree.links.items()):
            _add(tar, str(link), tarfile.SYMTYPE, 0o777, target=target)
        for number, path in enumerate(sorted(tree.files), 1):
            _add_file(tar, path)
            on_progress(number, len(tree.files))
            if written.tell() >= _PIECE_SIZE:
                yield _take(written)
    yield _take(written)


def _take(written: io.BytesIO) -> bytes:
    """What was written since the last time."""
    taken = written.getvalue()
    written.seek(0)
    written.truncate()
    return taken


def _add_file(tar: tarfile.TarFile, path: Path) -> None:
    try:
        data = path.read_bytes()
        status = path.stat()
    except OSError as problem:
        raise HostProblem(
            f"cannot make the image: {path}: {problem.strerror}",
            hint="Was the installation changed just now? Run 'weave setup' again.",
            code=Code.IMAGE,
        ) from problem
    _add(tar, str(path), tarfile.REGTYPE, 0o755 if status.st_mode & 0o111 else 0o644, trim_elf(data))
    if path.suffix == ".py":
        code = find_cached_code(path, status) or _compile(path, data)
        if code:
            header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + b"\0" * 8
            name = importlib.util.cache_from_source(str(path))
            _add(tar, name, tarfile.REGTYPE, 0o644, header + code)


def _add(
    tar: tarfile.TarFile, name: str, kind: bytes, mode: int, data: bytes = b"", target: str = ""
) -> None:
    member = tarfile.TarInfo(name.lstrip("/"))
    member.type, member.mode, member.linkname, member.size = kind, mode, target, len(data)
    tar.addfile(member, io.BytesIO(data))


def find_cached_code(source: Path, status: os.stat_result) -> bytes | None:
    """The code of the host's .pyc when it is of this very source (PEP 552: magic, flags, time, size)."""
    try:
        cached = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    except (OSError, NotImplementedError):
        return None
    expected = (
        importlib.util.MAGIC_NUMBER
        + b"\0" * 4
        + (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
        + (status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    )
    return cached[_PYC_HEADER_SIZE:] if cached[:_PYC_HEADER_SIZE] == expected else None


def _compile(path: Path, text: bytes) -> bytes | None:
    """None for templates and test data that only look like Python."""
    try:
        return marshal.dumps(compile(text, str(path), "exec", dont_inherit=True))
    except (SyntaxError, ValueError):
        return None
