"""Variables of the environment, each by what it changes on a real host."""

from __future__ import annotations

from tests.lab.asking import meets, start
from tests.lab.checks import pings, until
from tests.lab.hosts import LabHost


def test_names_addresses_and_limits_are_the_operator_s(host: LabHost) -> None:
    host.run("docker network create -o com.docker.network.bridge.name=other --subnet 10.77.0.0/24 other")
    variables = (
        "export WEAVE_CONTAINER_NAME=w2 WEAVE_HTTP_ADDR=127.0.0.1:7784 WEAVE_STATUS_ADDR=127.0.0.1:7782"
        " WEAVE_PORT=7783 WEAVE_MTU=1300 DOCKER_BRIDGE=other DOCKER_API_VERSION=1.40"
        " WEAVE_DOCKER_ARGS='--memory 300m --label a=b' WEAVEPLUGIN_DOCKER_ARGS='-e A=b';"
    )
    host.run(f"{variables} weave launch", timeout=120)
    found = "{{.HostConfig.Memory}} {{.Config.Labels.a}} {{range .Mounts}}{{.Name}}{{end}}"
    assert host.run(f"docker inspect -f '{found}' w2") == f"{300 << 20} b w2db"
    assert "A=b" in host.run("docker inspect -f '{{.Config.Env}}' weaveplugin")
    assert host.run(f"{variables} weave dns-args") == "--dns=10.77.0.1 --dns-search=weave.local."
    asked = "python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:7782/status').read().decode())\""
    assert "Service: router" in host.run(asked)
    assert host.run("ss -Hltn sport = :7783; ss -Hlun sport = :7784").count("\n") == 1
    host.run("docker run -d --init --name box --net=weave busybox sleep 1000")
    assert " mtu 1300 " in host.run("docker exec box ip link show ethwe0")
    assert host.sh("weave status").status == 1, "it is another one that runs"
    assert host.run(f"{variables} weave version").splitlines()[1:3] == [
        "weave router 0.1.0",
        "weave plugin 0.1.0",
    ]
    host.run(f"docker rm -f box; {variables} weave reset", timeout=60)
    assert host.run("docker ps -aq; docker volume ls -q") == ""

    refused = host.sh("WEAVE_DOCKER_ARGS=--privileged weave launch")
    assert refused.status == 1
    assert refused.stderr.startswith("invalid value in WEAVE_DOCKER_ARGS: '--privileged'")
    refused = host.sh("DOCKER_API_VERSION=9.99 weave launch")
    assert refused.status == 1 and "9.99" in refused.stderr
    assert host.run("docker ps -aq") == ""


def test_without_fast_datapath_all_frames_go_by_sleeve(two_hosts: tuple[LabHost, LabHost]) -> None:
    one, two = two_hosts
    one.run("WEAVE_NO_FASTDP=1 WEAVE_NO_BRIDGED_FASTDP= weave launch", timeout=120)
    two.run("weave launch $HOST1", timeout=120)
    meets(one, 1)
    address = start(one, "foo")
    start(two, "bar")
    pings(two, "bar", address)
    # Larger than any frame, so the packets have to be cut to what the path carries.
    one.run("docker exec -d foo sh -c 'nc -l -p 5555 </dev/null >/tmp/heard'")
    until(lambda: ":5555" in one.run("docker exec foo netstat -ltn"), 20, "somebody listens")
    two.run(f"docker exec bar sh -c 'head -c 10240 /dev/zero | nc {address} 5555'", timeout=60)
    until(lambda: one.run("docker exec foo stat -c %s /tmp/heard") == "10240", 20, "10 kB have arrived")
    assert " sleeve " in one.run("weave status connections")
    assert "vxlan=switched off on this host, by WEAVE_NO_FASTDP" in one.run("weave status connections")
    assert "vxlan=the peer does not offer it" in two.run("weave status connections")
