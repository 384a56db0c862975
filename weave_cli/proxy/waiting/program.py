"""What stands before a container's own program (pure): it waits for the network, then becomes that program.

    w PROGRAM ARGUMENTS...

It finds the program as a shell does, along PATH, so that one which is not there fails at once; waits; and
executes it: the same process with the same environment, user, directory and signals. It needs nothing of the
image but /proc, which every container has, makes no threads and installs no handlers.

The sign that it waits for is a number that the kernel keeps for whoever wants one, with the container's
loopback device (`tag` in its ip-sysctl.txt): whoever attached the container sets it last of all. Where the
bridge of the network is there to be seen, it is the host's namespace, and there is nothing to wait for.
"""

from __future__ import annotations

import struct
from typing import Final

from weave_cli.names import BRIDGE, GO_SYSCTL
from weave_cli.proxy.waiting.assembly import Condition, Label, Processor, Register

#: As shells have it for what Docker then reports as it does of its own finding out.
NOT_FOUND_STATUS: Final = 127
NOT_EXECUTABLE_STATUS: Final = 126

_AT_FDCWD: Final = -100
_O_CLOEXEC: Final = 0x80000
_X_OK: Final = 1
_STANDARD_ERROR: Final = 2
_ENOENT, _ENOEXEC, _EACCES, _ENOTDIR = 2, 8, 13, 20

_LONGEST: Final = 4000  # of a directory in PATH, and of a name in it: a path of the kernel's has 4096 octets
_BUFFER_PAGES: Final = 3

#: At first it looks a thousand times a second; a container that still waits then has time.
_EAGER_LOOKS: Final = 3000
_EAGER_PAUSE_NS: Final = 1_000_000
_PAUSE_NS: Final = 50_000_000

#: Docker gives every container a PATH; this is for whoever takes it away.
_DEFAULT_PATH: Final = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_TEXTS: Final = {
    "begin": b'exec: "',
    "no command": b"exec: no command\n",
    "not in path": b'": executable file not found in $PATH\n',
    "absent": b'": no such file or directory\n',
    "refused": b'": permission denied\n',
    "strange": b'": exec format error\n',
    "unknown": b'": cannot be executed\n',
}

_EQUAL, _UNEQUAL, _LESS = Condition.EQUAL, Condition.UNEQUAL, Condition.LESS


class _Names:
    """What each register is for."""

    arguments = Register.R0  # the program's own, its name first
    environment = Register.R1
    name = Register.R2
    found = Register.R3  # the path that will be executed
    reading = Register.R4
    writing = Register.R5
    value = Register.R6
    count = Register.R7


def write_program(machine: Processor) -> bytes:
    """The program's instructions and data."""
    _take_arguments(machine)
    _look_for_slash(machine)
    _look_along_path(machine)
    _wait(machine)
    _become_program(machine)
    _complain(machine)
    for name, text in _TEXTS.items():
        machine.octets(Label(f"text {name}"), text)
    machine.octets(Label("sign"), b"/proc/sys/net/%s\0" % GO_SYSCTL.encode())
    machine.octets(Label("bridge"), b"/proc/sys/net/ipv4/conf/%s/tag\0" % BRIDGE.encode())
    machine.octets(Label("default path"), _DEFAULT_PATH + b"\0")
    machine.octets(Label("eager pause"), struct.pack("<qq", 0, _EAGER_PAUSE_NS))
    machine.octets(Label("pause"), struct.pack("<qq", 0, _PAUSE_NS))
    return machine.finish()


def _take_arguments(machine: Processor) -> None:
    """The kernel leaves on the stack: their number, the arguments, 0, the environment, 0."""
    names = _Names
    machine.stack_pointer(names.arguments)
    machine.reserve(_BUFFER_PAGES)
    machine.add(names.arguments, 16)  # over the number and our own name
    machine.move(names.environment, names.arguments)
    machine.label(Label("next argument"))
    machine.load(names.value, names.environment)
    machine.add(names.environment, 8)
    machine.jump_if(names.value, _UNEQUAL, 0, Label("next argument"))
    machine.load(names.name, names.arguments)
    machine.jump_if(names.name, _EQUAL, 0, Label("no command"))


def _look_for_slash(machine: Processor) -> None:
    """A name with a slash is a path already."""
    names = _Names
    machine.move(names.reading, names.name)
    machine.label(Label("next letter"))
    machine.load_octet(names.value, names.reading)
    machine.add(names.reading, 1)
    machine.jump_if(names.value, _EQUAL, 0, Label("look along path"))
    machine.jump_if(names.value, _UNEQUAL, ord("/"), Label("next letter"))
    machine.move(names.found, names.name)
    machine.call("faccessat", _AT_FDCWD, names.found, _X_OK, 0, result=names.value)
    machine.jump_if(names.value, _LESS, 0, Label("failed"))
    machine.jump(Label("wait"))


def _look_along_path(machine: Processor) -> None:
    names = _Names
    machine.label(Label("look along path"))
    machine.move(names.writing, names.environment)
    machine.label(Label("next variable"))
    machine.load(names.reading, names.writing)
    machine.add(names.writing, 8)
    machine.jump_if(names.reading, _EQUAL, 0, Label("no path"))
    for letter in b"PATH=":
        machine.load_octet(names.value, names.reading)
        machine.add(names.reading, 1)
        machine.jump_if(names.value, _UNEQUAL, letter, Label("next variable"))
    machine.jump(Label("next directory"))
    machine.label(Label("no path"))
    machine.address(names.reading, Label("default path"))

    # `reading` goes along PATH, `writing` through a buffer that begins where `found` points to.
    machine.label(Label("next directory"))
    machine.stack_pointer(names.found)
    machine.move(names.writing, names.found)
    machine.constant(names.count, _LONGEST)
    machine.label(Label("copy directory"))
    machine.load_octet(names.value, names.reading)
    machine.jump_if(names.value, _EQUAL, 0, Label("directory copied"))
    machine.jump_if(names.value, _EQUAL, ord(":"), Label("directory copied"))
    machine.add(names.reading, 1)
    machine.jump_if(names.count, _EQUAL, 0, Label("copy directory"))  # too long: the kernel will refuse it
    machine.store_octet(names.value, names.writing)
    machine.add(names.writing, 1)
    machine.add(names.count, -1)
    machine.jump(Label("copy directory"))

    machine.label(Label("directory copied"))
    machine.jump_if(names.count, _UNEQUAL, _LONGEST, Label("append name"))
    machine.constant(names.value, ord("."))  # nothing between two colons: the working directory
    machine.store_octet(names.value, names.writing)
    machine.add(names.writing, 1)
    machine.label(Label("append name"))
    machine.constant(names.value, ord("/"))
    machine.store_octet(names.value, names.writing)
    machine.constant(names.count, _LONGEST)
    # `environment` and `arguments` must stay, so `name` goes along itself and is fetched again afterwards.
    machine.label(Label("copy name"))
    machine.add(names.writing, 1)
    machine.load_octet(names.value, names.name)
    machine.store_octet(names.value, names.writing)
    machine.add(names.name, 1)
    machine.add(names.count, -1)
    machine.jump_if(
        names.count, _EQUAL, 0, Label("name copied")
    )  # and without end, but nothing has that name
    machine.jump_if(names.value, _UNEQUAL, 0, Label("copy name"))
    machine.label(Label("name copied"))
    machine.constant(names.value, 0)
    machine.store_octet(names.value, names.writing)
    machine.load(names.name, names.arguments)
    machine.call("faccessat", _AT_FDCWD, names.found, _X_OK, 0, result=names.value)
    machine.jump_if(names.value, _EQUAL, 0, Label("wait"))
    machine.load_octet(names.value, names.reading)
    machine.add(names.reading, 1)
    machine.jump_if(names.value, _EQUAL, ord(":"), Label("next directory"))
    machine.constant(names.reading, NOT_FOUND_STATUS)
    _jump_with(machine, "not in path")


def _wait(machine: Processor) -> None:
    """Until the file with the sign is there, and begins with another letter than 0."""
    names = _Names
    machine.label(Label("wait"))
    machine.constant(names.count, _EAGER_LOOKS)
    machine.reserve(1)  # `found` may point to what the stack ended with
    machine.label(Label("look"))
    machine.call("openat", _AT_FDCWD, Label("sign"), _O_CLOEXEC, 0, result=names.reading)
    machine.jump_if(names.reading, _LESS, 0, Label("look for bridge"))
    machine.stack_pointer(names.writing)
    machine.call("read", names.reading, names.writing, 1, result=names.value)
    machine.call("close", names.reading)
    machine.jump_if(names.value, _UNEQUAL, 1, Label("look for bridge"))
    machine.load_octet(names.value, names.writing)
    machine.jump_if(names.value, _UNEQUAL, ord("0"), Label("become program"))
    machine.label(Label("look for bridge"))
    machine.call("openat", _AT_FDCWD, Label("bridge"), _O_CLOEXEC, 0, result=names.value)
    machine.jump_if(names.value, _LESS, 0, Label("sleep"))
    machine.jump(Label("become program"))
    machine.label(Label("sleep"))
    machine.jump_if(names.count, _EQUAL, 0, Label("sleep longer"))
    machine.add(names.count, -1)
    machine.call("nanosleep", Label("eager pause"), 0)
    machine.jump(Label("look"))
    machine.label(Label("sleep longer"))
    machine.call("nanosleep", Label("pause"), 0)
    machine.jump(Label("look"))


def _become_program(machine: Processor) -> None:
    names = _Names
    machine.label(Label("become program"))
    machine.call("execve", names.found, names.arguments, names.environment, result=names.value)
    machine.label(Label("failed"))
    for number, text, status in (
        (_ENOENT, "absent", NOT_FOUND_STATUS),
        (_ENOTDIR, "absent", NOT_FOUND_STATUS),
        (_EACCES, "refused", NOT_EXECUTABLE_STATUS),
        (_ENOEXEC, "strange", NOT_EXECUTABLE_STATUS),
    ):
        machine.constant(names.reading, status)
        machine.jump_if(names.value, _EQUAL, -number, Label(f"say {number}"))
        machine.jump(Label(f"not {number}"))
        machine.label(Label(f"say {number}"))
        _jump_with(machine, text)
        machine.label(Label(f"not {number}"))
    _jump_with(machine, "unknown")


def _jump_with(machine: Processor, text: str) -> None:
    """Say that of the program and end; the exit status is in `reading`."""
    machine.address(_Names.writing, Label(f"text {text}"))
    machine.constant(_Names.count, len(_TEXTS[text]))
    machine.jump(Label("complain"))


def _complain(machine: Processor) -> None:
    """`exec: "NAME": TEXT` on standard error; `reading`: exit status, `writing` and `count`: the text."""
    names = _Names
    begin = _TEXTS["begin"]
    machine.label(Label("complain"))
    machine.call("write", _STANDARD_ERROR, Label("text begin"), len(begin))
    machine.move(names.found, names.name)
    machine.constant(names.environment, 0)  # not needed any more: the name's length
    machine.label(Label("measure"))
    machine.load_octet(names.value, names.found)
    machine.jump_if(names.value, _EQUAL, 0, Label("measured"))
    machine.add(names.found, 1)
    machine.add(names.environment, 1)
    machine.jump(Label("measure"))
    machine.label(Label("measured"))
    machine.call("write", _STANDARD_ERROR, names.name, names.environment)
    machine.label(Label("end"))
    machine.call("write", _STANDARD_ERROR, names.writing, names.count)
    machine.call("exit_group", names.reading)

    machine.label(Label("no command"))
    machine.address(names.writing, Label("text no command"))
    machine.constant(names.count, len(_TEXTS["no command"]))
    machine.constant(names.reading, NOT_FOUND_STATUS)
    machine.jump(Label("end"))
