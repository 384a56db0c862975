"""What containers of two hosts send each other arrives: multicast, the largest datagram, much data.

The containers run weave's own image, for its Python.
"""

from __future__ import annotations

import shlex
from typing import Final

import pytest

from tests.lab.asking import launch_joined
from tests.lab.checks import until
from tests.lab.hosts import LabHost
from weave_cli.names import image_name

Two = tuple[LabHost, LabHost]

_PYTHON: Final = f"--net=weave --entrypoint python {image_name()} -uc"

_JOIN_AND_LISTEN: Final = """
import socket
receiver = socket.socket(type=socket.SOCK_DGRAM)
receiver.bind(("", 5000))
group = socket.inet_aton("224.1.2.3") + socket.inet_aton("0.0.0.0")
receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
print("listening")
data, sender = receiver.recvfrom(100)
print(data.decode(), "from", sender[0])
"""
_SEND_TO_GROUP: Final = """
import socket
sender = socket.socket(type=socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
sender.connect(("224.1.2.3", 5000))
sender.send(b"hello")
print(sender.getsockname()[0])
"""
# 65507 octets are the most that a UDP datagram over IPv4 holds.
_LISTEN_FOR_DATAGRAM: Final = """
import hashlib, socket
receiver = socket.socket(type=socket.SOCK_DGRAM)
receiver.bind(("", 5000))
print("listening")
data = receiver.recv(65535)
print(len(data), hashlib.sha256(data).hexdigest())
"""
_SEND_DATAGRAM: Final = """
import hashlib, random, socket, sys
data = random.Random(1).randbytes(65507)
socket.socket(type=socket.SOCK_DGRAM).sendto(data, (sys.argv[1], 5000))
print(len(data), hashlib.sha256(data).hexdigest())
"""
_ACCEPT_STREAM: Final = """
import hashlib, socket
server = socket.create_server(("", 5000))
print("listening")
stream, _ = server.accept()
digest, count = hashlib.sha256(), 0
while data := stream.recv(1 << 18):
    digest.update(data)
    count += len(data)
print(count, digest.hexdigest())
"""
_SEND_STREAM: Final = """
import hashlib, random, socket, sys
digest, source = hashlib.sha256(), random.Random(2)
with socket.create_connection((sys.argv[1], 5000), 10) as stream:
    for _ in range(100):
        data = source.randbytes(1 << 20)
        digest.update(data)
        stream.sendall(data)
print(100 << 20, digest.hexdigest())
"""


@pytest.fixture
def joined(two_hosts: Two) -> Two:
    """Two hosts of one network."""
    launch_joined(two_hosts)
    return two_hosts


def test_multicast_reaches_a_member_on_the_other_host(joined: Two) -> None:
    receiving, sending = joined
    _listen(receiving, _JOIN_AND_LISTEN)

    def is_heard() -> bool:  # once more if lost: nobody acknowledges a datagram
        sender = _run(sending, _SEND_TO_GROUP)
        return _said(receiving) == f"listening\nhello from {sender}"

    until(is_heard, 20, "the member hears the group")


def test_the_largest_datagram_and_100_megabytes_arrive_as_sent(joined: Two) -> None:
    receiving, sending = joined
    target = _listen(receiving, _LISTEN_FOR_DATAGRAM)

    def arrived() -> bool:
        sent = _run(sending, _SEND_DATAGRAM, target)
        return _said(receiving) == f"listening\n{sent}"

    until(arrived, 20, "the datagram arrives whole")
    receiving.run("docker rm -f receiver")
    target = _listen(receiving, _ACCEPT_STREAM)
    sent = _run(sending, _SEND_STREAM, target)
    assert sent.startswith(f"{100 << 20} ")
    until(lambda: _said(receiving) == f"listening\n{sent}", 10, "the stream arrived whole")


def _listen(host: LabHost, program: str) -> str:
    """Start the program in container `receiver`, and wait until it listens; its address."""
    host.run(f"docker run -d --name receiver {_PYTHON} {shlex.quote(program)}")
    until(lambda: _said(host) == "listening", 20, "the receiver listens")
    return host.run("docker inspect -f '{{.NetworkSettings.Networks.weave.IPAddress}}' receiver")


def _run(host: LabHost, program: str, *arguments: str) -> str:
    """Run the program in a container on the network; what it printed."""
    return host.run(f"docker run --rm {_PYTHON} {shlex.quote(program)} {shlex.join(arguments)}", timeout=120)


def _said(host: LabHost) -> str:
    return host.run("docker logs receiver")
