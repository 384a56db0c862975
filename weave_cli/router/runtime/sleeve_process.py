"""The sleeve process as the router keeps it: started, spoken to, started again when it dies.

It is a child that inherits the TAP device, the UDP socket and one end of a socketpair, and ends when the
other end closes: nothing of it outlives the router, however that ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.sleeve.message_codec import decode_message, encode_message
from weave_cli.router.sleeve.messages import LARGEST_MESSAGE, Message, ToProcess

log = logging.getLogger(__name__)

#: Seconds before one that died is started again; doubled, up to the longest, while they die young.
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_OLD_AGE_S: Final = 60.0
#: Seconds that it has to end by itself.
_GRACE_S: Final = 2.0
#: Messages read before other work gets its turn.
_BATCH: Final = 64
#: Messages that wait for it; one that leaves more unread hangs.
_MOST_WAITING: Final = 20_000


class SleeveProcess:
    """The process and the way to it. What is sent while there is none is lost: `on_start` tells it again."""

    def __init__(
        self,
        name: PeerName,
        *,
        on_start: Callable[[], None],
        on_message: Callable[[Message], None],
        on_end: Callable[[str], None],
    ) -> None:
        """`on_start`: there is one that knows nothing yet. `on_end`: it died, for this reason."""
        self._name = name
        self._on_start = on_start
        self._on_message = on_message
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._waiting: deque[tuple[bytes, int | None]] = deque()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        return self._process.pid if self._process is not None else None

    async def start(self, tap: int, udp: socket.socket) -> None:
        """Start it, and again whenever it dies, with these descriptors."""
        await self._spawn(tap, udp)
        self._keeper = asyncio.get_running_loop().create_task(self._keep(tap, udp))

    async def stop(self) -> None:
        """End it; when it does not, kill it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        self._hang_up()
        process, self._process = self._process, None
        if process is None:
            return
        try:
            async with asyncio.timeout(_GRACE_S):
                await process.wait()
        except TimeoutError:
            log.warning("the sleeve process does not end by itself: killing it")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def send(self, message: ToProcess, descriptor: int | None = None) -> None:
        """Tell it; in order, as soon as it reads. It gets a copy of the descriptor."""
        if self._control is None:
            return
        packet = encode_message(message)
        if not self._waiting and self._try_send(packet, descriptor):
            return
        # The caller may let go of it before it is sent.
        self._waiting.append((packet, None if descriptor is None else os.dup(descriptor)))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().add_writer(self._control, self._on_writable)
        elif len(self._waiting) > _MOST_WAITING and self._process is not None:
            log.error("the sleeve process does not read what it is told: killing it")
            self._hang_up()
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _spawn(self, tap: int, udp: socket.socket) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            level = logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "weave_cli.router.sleeve", "--name", format_peer_name(self._name)),
                *("--tap", str(tap), "--udp", str(udp.fileno()), "--control", str(theirs.fileno())),
                *("--log-level", level),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(tap, udp.fileno(), theirs.fileno()),
                # Control-C at a terminal is for the router, which ends us in order.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._on_readable)
        self._on_start()

    async def _keep(self, tap: int, udp: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        pause_s, born_at = _FIRST_PAUSE_S, loop.time()
        while True:
            if self._process is not None:
                status = await self._process.wait()
                self._process = None
                self._hang_up()
                reason = f"the sleeve process ended with status {status}"
                log.error("%s: starting another one", reason)
                self._on_end(reason)
            if loop.time() - born_at > _OLD_AGE_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s, born_at = min(2 * pause_s, _LONGEST_PAUSE_S), loop.time()
            try:
                await self._spawn(tap, udp)
            except OSError as problem:
                log.error("cannot start the sleeve process: %s", problem)

    def _on_readable(self) -> None:
        for _ in range(_BATCH):
            if self._control is None:
                return
            try:
                packet = self._control.recv(LARGEST_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                # It has ended; who waits for its end does the rest.
                asyncio.get_running_loop().remove_reader(self._control)
                return
            try:
                self._on_message(decode_message(packet))
            except ValueError as problem:
                log.error("%s", problem)

    def _on_writable(self) -> None:
        assert self._control is not None
        while self._waiting and self._try_send(*self._waiting[0]):
            _, descriptor = self._waiting.popleft()
            if descriptor is not None:
                os.close(descriptor)
        if not self._waiting:
            asyncio.get_running_loop().remove_writer(self._control)

    def _try_send(self, packet: bytes, descriptor: int | None) -> bool:
        """False when it has to wait."""
        assert self._control is not None
        try:
            if descriptor is None:
                self._control.send(packet)
            else:
                socket.send_fds(self._control, [packet], [descriptor])
        except BlockingIOError:
            return False
        except OSError as problem:
            # It has ended, and its successor is told everything; or this is too much for one packet.
            log.warning("the sleeve process was not told %d octets: %s", len(packet), problem)
        return True

    def _hang_up(self) -> None:
        if self._control is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._control)
            loop.remove_writer(self._control)
            self._control.close()
            self._control = None
        for _, descriptor in self._waiting:
            if descriptor is not None:
                os.close(descriptor)
        self._waiting.clear()
