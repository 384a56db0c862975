"""The sleeve process: waits for the TAP device, the UDP socket and the router, and lets the carrier work."""

from __future__ import annotations

import errno
import gc
import logging
import select
import signal
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.logs import LEVELS, start_logging
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.sleeve.carrier import Carrier
from weave_cli.router.sleeve.message_codec import decode_message
from weave_cli.router.sleeve.messages import LARGEST_MESSAGE
from weave_cli.router.sleeve.outbox import Outbox
from weave_cli.router.sleeve.packet_socket import PacketSocket
from weave_cli.router.sleeve.tap import Tap

log = logging.getLogger(__name__)

_DESCRIPTOR: Final = struct.Struct("=i")
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_DESCRIPTOR.size)

_TAP_GONE: Final = (errno.EBADFD, errno.ENODEV)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """What the router gave us at the start; see messages.py."""

    name: PeerName
    tap: int
    udp: int
    control: int
    log_level: str


def parse_arguments(arguments: Sequence[str]) -> Inheritance:
    """The command line; ValueError for a wrong one. Only the router writes it, so no help."""
    told = dict(zip(arguments[::2], arguments[1::2], strict=True))
    level = told.pop("--log-level", "info")
    if told.keys() != {"--name", "--tap", "--udp", "--control"} or level not in LEVELS:
        raise ValueError(f"arguments that a router does not give: {' '.join(arguments)}")
    return Inheritance(
        name=parse_peer_name(told["--name"]),
        tap=int(told["--tap"]),
        udp=int(told["--udp"]),
        control=int(told["--control"]),
        log_level=level,
    )


def main(arguments: Sequence[str]) -> int:
    """Run until the router closes its end of the control socket."""
    told = parse_arguments(arguments)
    start_logging(told.log_level)
    # An interrupt at the terminal goes to us, too; the router decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=told.control)
    control.setblocking(False)
    packets = PacketSocket(socket.socket(fileno=told.udp))
    outbox = Outbox(control)
    carrier = Carrier(told.name, Tap(told.tap), packets, outbox, Tap)
    # What lives now lives until the end: the collector need not look at it again.
    gc.freeze()
    try:
        _run(carrier, control=control, outbox=outbox, udp=packets.fileno(), tap=told.tap)
    except (BrokenPipeError, ConnectionResetError):
        log.debug("the router closed its end")
    except OSError as problem:
        if problem.errno not in _TAP_GONE:
            raise
        log.warning("the TAP device is gone (%s): the sleeve process ends", problem.strerror)
        return 1
    return 0


def _run(carrier: Carrier, *, control: socket.socket, outbox: Outbox, udp: int, tap: int) -> None:
    """Returns when the router has gone."""
    poll = select.poll()
    for fd in (control.fileno(), udp, tap):
        poll.register(fd, select.POLLIN)
    buffer = memoryview(bytearray(LARGEST_MESSAGE))
    watched: set[int] = set()
    while True:
        if carrier.realms.descriptors ^ watched:
            watched = _watch_realms(poll, watched, carrier)
        wake = carrier.next_wake()
        patience_ms = None if wake is None else max(0.0, wake - time.monotonic()) * 1000
        ready = {fd for fd, _ in poll.poll(patience_ms)}
        now = time.monotonic()
        if control.fileno() in ready and not _obey_all(carrier, control, buffer, now):
            return
        if udp in ready:
            carrier.receive(now)
        if tap in ready:
            carrier.capture(now)
        for descriptor in watched & ready:
            carrier.realms.capture(descriptor, now)
        carrier.flush(now)
        carrier.on_wake(now)
        all_told = outbox.flush()
        poll.modify(control.fileno(), select.POLLIN if all_told else select.POLLIN | select.POLLOUT)


def _watch_realms(poll: select.poll, before: set[int], carrier: Carrier) -> set[int]:
    """Wait for the TAP devices of the realms that there are now."""
    for descriptor in before:
        poll.unregister(descriptor)
    wanted = set(carrier.realms.descriptors)
    for descriptor in wanted:
        poll.register(descriptor, select.POLLIN)
    return wanted


def _obey_all(carrier: Carrier, control: socket.socket, buffer: memoryview, now: float) -> bool:
    """False when the router closed its end."""
    while True:
        try:
            length, ancillary, _, _ = control.recvmsg_into([buffer], _ANCILLARY_BYTES)
        except BlockingIOError:
            return True
        if length == 0:
            return False
        descriptors = [_DESCRIPTOR.unpack(data)[0] for _, _, data in ancillary]
        carrier.obey(decode_message(bytes(buffer[:length])), now, next(iter(descriptors), None))
