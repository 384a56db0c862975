"""Docker through the proxy is Docker: same words, same octets, terminals and large bodies included."""

from __future__ import annotations

import os
import re
from typing import Final

from tests.lab.checks import until
from tests.lab.hosts import LabHost
from tests.lab.proxy_calls import CALLS, SDK
from tests.lab.test_elsewhere import _CERTIFICATES as MAKE_CERTIFICATES

_DATA: Final = "/tmp/passage"
_BARE: Final = "unix:///var/run/docker.sock"
_PROXY: Final = "unix:///var/run/weave/weave.sock"
#: What may be different: ids, and what tells of time.
_VARIES: Final = re.compile(
    r"[0-9a-f]{64}|\b[0-9a-f]{12}\b|\b\d{4}-\d\d-\d\dT[\d:.]+Z|0\.0\.0\.0:\d+|\[?::\]?:\d+"
)
#: Of the image that is loaded and the context that is built, in MiB; 1024 takes minutes.
_SIZE: Final = int(os.environ.get("WEAVE_LAB_PROXY_MB", "60"))
_MOST_KB: Final = 100_000

#: What is no request, a head that does not end, and silence; all at once. Octets that begin with a letter may
#: be a head that has not ended yet, and are waited for.
_GARBAGE: Final = """
import os, socket
held = []
for octets in (b"\\xff" + os.urandom(10000), b"GET / HTTP/1.1\\r\\nHost", b"", b"\\x16\\x03\\x01") * 30:
    one = socket.socket(socket.AF_UNIX)
    one.connect("/run/other.sock")
    one.sendall(octets)
    held.append(one)
held[0].settimeout(30)
assert held[0].recv(1000).startswith(b"HTTP/1.1 400 "), "garbage is refused"
"""

_COMPOSE: Final = '{"version": "2", "services": {"one": {"image": "busybox", "command": "sleep 1d"}}}'
_FILES: Final = (("cacert", "ca"), ("cert", "server-cert"), ("key", "server-key"))


def told_by(host: LabHost, where: str) -> list[str]:
    """What each call printed, on either stream, and its status."""
    lines = [
        "set -o pipefail",
        f"export DOCKER_HOST={where} SOCKET={where.removeprefix('unix://')} DOCKER_BUILDKIT=0",
        "export NONE='-e WEAVE_CIDR=none' BEGUN=$(date +%s.%N)",
        f"mkdir -p {_DATA}; echo small >{_DATA}/small; head -c 5000000 /dev/zero >{_DATA}/large",
        rf"printf 'FROM busybox\nCOPY large /l\nRUN wc -c /l\n' >{_DATA}/Dockerfile",
        f"echo '{_COMPOSE}' >{_DATA}/compose.yml",
    ]
    for call in CALLS:
        lines.append(f"echo '=====' ; {{ {call.replace('DATA', _DATA)}\n}} 2>&1; echo \"status $?\"")
    shown = host.run("bash -s", stdin="\n".join(lines), timeout=240).split("=====\n")[1:]
    return [_VARIES.sub("*", text) for text in shown]


def highest_memory_kb(host: LabHost) -> int:
    """Of the proxy, so far."""
    pid = host.run("docker inspect -f '{{.State.Pid}}' weaveproxy").strip()
    return int(host.run(f"grep VmHWM /proc/{pid}/status").split()[1])


def test_calls_are_the_same_with_the_proxy_and_without(host: LabHost) -> None:
    host.run("weave launch-proxy", timeout=120)

    bare, proxied = told_by(host, _BARE), told_by(host, _PROXY)
    differing = [
        (call, *sides) for call, *sides in zip(CALLS, bare, proxied, strict=True) if sides[0] != sides[1]
    ]
    assert not differing, differing
    assert len(CALLS) > 60

    sdk = [host.run(f"python3 - {where}", stdin=SDK, timeout=120) for where in (_BARE, _PROXY)]
    assert sdk[0] == sdk[1]
    raw = (
        "for path in _ping version info images/busybox/json containers/nosuch/json 'events?since=0&until=1' x"
        "; do curl -si --unix-socket /var/run/{socket} http://d/$path | grep -v '^Date:\\|SystemTime'; done"
    )
    wanted = host.run(raw.replace("{socket}", "docker.sock").replace("info ", ""))
    assert host.run(raw.replace("{socket}", "weave/weave.sock").replace("info ", "")) == wanted

    host.run(
        f"docker run -d --init --name typed -e WEAVE_CIDR=none busybox sleep 1d; export DOCKER_HOST={_PROXY}"
    )
    check_terminal(host)
    check_large_bodies(host)


def check_terminal(host: LabHost) -> None:
    """exec -it and run -it: size and its changes, Ctrl-C, and Ctrl-P Ctrl-Q."""
    with host.terminal(f"docker -H {_PROXY} exec -it typed sh") as terminal:
        terminal.wait_for(r"# ")
        terminal.resize(rows=33, columns=91)
        terminal.press("while ! stty size | grep '33 91'; do sleep 0.1; done; echo si''zed\n")
        terminal.wait_for(r"33 91\s+sized")
        terminal.press("sh -c 'echo rea''dy; exec sleep 1000'\n")
        terminal.wait_for(r"ready")
        terminal.press("\x03")
        terminal.press("echo ali''ve\n")
        terminal.wait_for(r"alive")
        terminal.press("exit 5\n")
        assert terminal.wait_for_end() == 5
    with host.terminal(f"docker -H {_PROXY} run -it --name left -e WEAVE_CIDR=none busybox") as terminal:
        terminal.wait_for(r"# ")
        terminal.press("echo he''re\n")
        terminal.wait_for(r"here")
        terminal.press("\x10\x11")
        assert terminal.wait_for_end() == 0
    # Newer clients end with the status of an error, "read escape sequence"; without the proxy, too.
    assert attached_and_detached(host, _PROXY) == attached_and_detached(host, _BARE)
    assert host.run("docker inspect -f '{{.State.Running}}' left").strip() == "true"
    host.run("docker rm -f left")


def attached_and_detached(host: LabHost, where: str) -> int:
    """The exit status of a client that leaves `left` with Ctrl-P Ctrl-Q."""
    with host.terminal(f"docker -H {where} attach left") as terminal:
        terminal.press("echo aga''in\n")
        terminal.wait_for(r"again")
        terminal.press("\x10\x11")
        return terminal.wait_for_end()


def check_large_bodies(host: LabHost) -> None:
    """A load and a build, and what the proxy needs for them."""
    host.run(
        f"mkdir -p {_DATA}/layer; dd if=/dev/urandom of={_DATA}/layer/f bs=1M count={_SIZE} 2>/dev/null;"
        f" tar c -C {_DATA}/layer f | docker import - large:one; docker save large:one -o {_DATA}/image.tar;"
        " docker rmi large:one",
        timeout=240,
    )
    host.run(f"docker -H {_PROXY} load -i {_DATA}/image.tar", timeout=240)
    host.run(
        rf"printf 'FROM busybox\nCOPY f /f\n' >{_DATA}/layer/Dockerfile;"
        f" DOCKER_BUILDKIT=0 docker -H {_PROXY} build -t large:two {_DATA}/layer",
        timeout=240,
    )
    wanted = host.run(f"sha256sum <{_DATA}/layer/f")
    assert (
        host.run(f"docker -H {_PROXY} run --rm -e WEAVE_CIDR=none large:two sh -c 'sha256sum </f'") == wanted
    )
    copied = f"docker create --name large large:one x; docker -H {_PROXY} cp large:/f - | tar xO | sha256sum"
    assert host.run(copied, timeout=240).endswith(wanted)
    sizes = {host.run(f"docker -H {where} save large:one | wc -c", timeout=240) for where in (_BARE, _PROXY)}
    assert len(sizes) == 1
    assert highest_memory_kb(host) < _MOST_KB
    host.run(f"docker rm large; docker rmi -f large:one large:two; rm -r {_DATA}")


def test_proxy_listens_where_it_is_told_and_goes_without_a_trace(host: LabHost) -> None:
    assert host.sh("weave env").stdout == ""
    assert host.sh("weave config").status == 1
    host.run(MAKE_CERTIFICATES.format(where="/run/operator/tls", ip="127.0.0.1"))
    files = " ".join(f"--tls{key}=/run/operator/tls/{file}.pem" for key, file in _FILES)
    taken = host.sh(
        "python3 -m http.server 7777 >/dev/null 2>&1 &"
        " until (exec 3<>/dev/tcp/127.0.0.1/7777) 2>/dev/null; do sleep 0.1; done;"
        " weave launch-proxy -H tcp://:7777; kill %1"
    )
    assert "0.0.0.0:7777/tcp for the proxy: in use by python3 (pid" in taken.stderr
    gone = host.sh("weave launch-proxy -H unix:///nosuch/x.sock")
    assert gone.status == 1 and "Is there a directory /nosuch on this host?" in gone.stderr
    lost = host.sh("weave launch-proxy -H tcp://:7777 --tlsverify --tlscacert=/nosuch")
    assert lost.status == 1 and f"there is no file {host.run('echo $HOME')}/.docker/cert.pem" in lost.stderr
    bad = host.sh(f"weave launch-proxy -H tcp://:7777 {files.replace('server-key', 'client-key')} --tls")
    assert bad.status == 1 and "cannot use certificate" in bad.stderr
    assert host.run("docker ps -aq") == ""

    host.run(
        f"weave launch-proxy --tlsverify {files} -H tcp://127.0.0.1:12376 -H /run/other.sock -H tcp://:12377",
        timeout=120,
    )
    assert host.run("weave config") == "-H=tcp://127.0.0.1:12376"
    assert (
        "Address: tcp://127.0.0.1:12376 tcp://0.0.0.0:12377 unix:///run/other.sock\n"
        in host.sh("weave status").stdout
    )
    assert host.run("PROXY_HOST=h weave env; stat -c '%a %U %G' /run/other.sock /var/run/docker.sock") == (
        "export DOCKER_HOST=tcp://127.0.0.1:12376 ORIG_DOCKER_HOST=\n660 root docker\n660 root docker"
    )
    tls = (
        "docker -H tcp://127.0.0.1:12377 --tlsverify --tlscacert /run/operator/tls/ca.pem"
        " --tlscert /run/operator/tls/client-cert.pem --tlskey /run/operator/tls/client-key.pem"
    )
    # What it prints after the end of its input comes back: TLS ends one direction only.
    assert host.run(
        f"echo typed | {tls} run --rm -i -e WEAVE_CIDR=none busybox sh -c 'cat; sleep 1; echo on'"
    ) == ("typed\non")
    stranger = host.sh(f"{tls.partition(' --tlscert')[0]} ps")
    assert stranger.status == 1 and "certificate" in stranger.stderr
    plain = host.sh("docker -H tcp://127.0.0.1:12377 ps")
    assert plain.status == 1
    host.run(f"python3 - <<'END'\n{_GARBAGE}\nEND")
    assert host.run("docker -H unix:///run/other.sock ps -q | wc -l") == "1"

    host.run("docker kill weaveproxy")
    host.run("docker start weaveproxy")
    until(lambda: host.sh("docker -H unix:///run/other.sock ps -q").status == 0, 60, "it listens again")
    warned = host.run("DOCKER_HOST=unix:///run/other.sock ORIG_DOCKER_HOST= weave stop --dry-run")
    assert "container weaveproxy" in warned
    host.run("weave stop-proxy")
    assert host.sh("ls /run/other.sock").status != 0
    assert host.sh("weave stop-proxy").stderr == "Proxy is not running.\n"

    host.run("env -u WEAVE_NO_PROXY weave launch", timeout=120)
    shown = host.run("weave status")
    assert (
        "        Service: proxy\n        Address: unix:///var/run/weave/weave.sock\n\n        Service: plugin"
        in shown
    )
    assert "WARNING: DOCKER_HOST points to the proxy" in host.run(f"DOCKER_HOST={_PROXY} weave stop")
    assert host.run("docker ps -aq") == ""
