"""The server that stands in for the plugin: agrees to all that Docker wants. plugin_sockets says when."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Final

_REPLIES: Final = {
    "/Plugin.Activate": b'{"Implements":["NetworkDriver","IpamDriver"]}',
    "/NetworkDriver.GetCapabilities": b'{"Scope":"local"}',
    "/IpamDriver.GetDefaultAddressSpaces": (
        b'{"LocalDefaultAddressSpace":"weavelocal","GlobalDefaultAddressSpace":"weaveglobal"}'
    ),
}


class StandIn(ThreadingUnixStreamServer):
    """Listens on a new socket, and answers once it serves."""

    daemon_threads = True  # Docker keeps its connections open
    block_on_close = False

    def __init__(self, path: Path) -> None:
        """path: of the socket."""
        super().__init__(str(path), _Agreeing)

    def handle_error(self, *_: object) -> None:
        """Nothing: whoever hangs up on us does not want an answer."""


class _Agreeing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = _REPLIES.get(self.path, b"{}")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: nobody reads along."""
