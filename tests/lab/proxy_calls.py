"""Calls for the comparison of the proxy with Docker itself; each side begins from the same state."""

from __future__ import annotations

from typing import Final

#: One shell command a line; each leaves behind only what later lines take away. `DATA` is a directory.
CALLS: Final = r"""
docker version --format '{{.Server.Version}} {{.Server.APIVersion}} {{.Client.APIVersion}}'
docker info --format '{{.Driver}} {{.NCPU}} {{.OperatingSystem}} {{.Swarm.LocalNodeState}}'
docker ps -a --format '{{.Names}} {{.Image}} {{.Command}}' | grep -v weave
docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}' busybox
docker create -i --name d1 $NONE --label a=b -p 80 busybox cat
docker create --name d1 $NONE busybox true
docker inspect --format '{{json .Config}} {{json .HostConfig}}' d1
echo hello | docker start -ai d1
docker inspect --format '{{.State.ExitCode}} {{.State.Status}}' d1
docker run --rm $NONE busybox echo hi
echo data | docker run --rm -i $NONE busybox cat
head -c 3000000 /dev/zero | docker run --rm -i $NONE busybox wc -c
docker run --rm $NONE busybox sh -c 'head -c 3000000 /dev/zero' | sha256sum
docker run --rm $NONE busybox sh -c 'echo out; echo err >&2; exit 3' 2>&1 | sort
docker run --rm -t $NONE busybox sh -c 'echo on a terminal; test -t 1'
docker run --rm $NONE busybox nosuch 2>&1 | grep -v 'context canceled'
docker run --rm --pull=never $NONE nosuch:image
docker run -d --init --name d2 $NONE busybox sh -c 'for i in 1 2 3; do echo line $i; done; exec sleep 1d'
until [ $(docker logs d2 | wc -l) = 3 ]; do :; done
docker logs d2
docker logs --tail 1 d2
exec 3< <(docker logs -f d2); p=$!; for i in 1 2 3; do read -ru 3 line; echo $line; done; kill $p; exec 3<&-
docker exec d2 echo in
echo typed | docker exec -i d2 cat
docker exec d2 sh -c 'echo o; echo e >&2; exit 7' 2>&1 | sort
docker exec -d d2 touch /tmp/x
until docker exec d2 test -e /tmp/x; do :; done
docker exec -u 65534 -w /tmp -e A=b d2 sh -c 'id -u; pwd; echo $A'
docker exec d2 nosuch
docker exec d1 true
docker top d2 -eo pid,comm | sed 's/^[0-9 ]*//'
docker stats --no-stream --format '{{.Name}}' d2
(docker stats --format '{{.Name}}' d2 || true) | grep -o -m 2 d2
docker exec -it d2 true </dev/null
curl -sI --unix-socket $SOCKET http://d/containers/d2/archive?path=/etc/hosts | grep -ci '200 OK\|^x-docker'
curl -s -X POST --unix-socket $SOCKET http://d/v1.41/containers/d2/checkpoints -d '{"CheckpointID":"c"}'
curl -s -X POST --unix-socket $SOCKET http://d/v1.41/containers/d2/nosuch -d x
curl -s -X OPTIONS --unix-socket $SOCKET http://d/v1.41/containers/json
docker checkpoint ls d2
docker port d2
docker diff d2 | sort
docker cp d2:/tmp/x - | tar t
tar c -C DATA small | docker cp - d2:/tmp
docker exec d2 cat /tmp/small
docker cp d2:/nosuch -
docker cp DATA/small d2:/tmp/again; docker cp d2:/tmp/again DATA/again; cat DATA/again; rm DATA/again
docker cp d2:/etc DATA/etc; ls DATA/etc | head -2; rm -r DATA/etc
exec 3< <(docker events --since $BEGUN --filter event=rename --format {{.Action}}); p=$!; docker rename d2 d3
read -t 60 -ru 3 x; echo $x; kill $p; exec 3<&-
docker pause d3
docker exec d3 true
docker unpause d3
docker update --restart=no d3
timeout 1 docker attach --no-stdin d3
(sleep 1; docker kill d3 >/dev/null) & docker wait d3; wait
docker restart -t 0 d3
docker kill d3
docker kill d3
docker export d1 | tar t | sort | sha256sum
docker commit -m text -c 'CMD ["echo", "made"]' d1 made:one
docker run --rm $NONE made:one
docker history --format '{{.CreatedBy}} {{.Comment}}' made:one
docker tag made:one made:two
docker save made:one made:two -o DATA/saved && tar tf DATA/saved | wc -l
docker rmi made:one made:two >/dev/null; docker load -q -i DATA/saved
docker image inspect --format '{{json .Config.Cmd}} {{.Os}}' made:one
docker rmi -f made:one made:two | grep -c Untagged
tar c -C DATA small | docker import - made:three >/dev/null; docker image inspect -f '{{.Os}}' made:three
docker image rm made:three | grep -c Untagged
printf 'FROM busybox\nRUN echo built >/f\nCMD cat /f\n' | docker build -q -t made:four - | cut -c 1-7
docker run --rm $NONE made:four
docker build --no-cache -t made:four -f DATA/Dockerfile DATA | grep -v -- '^ ---> \|^Success'
printf 'FROM busybox\nRUN false\n' | docker build -q -
printf 'NOSUCH\n' | docker build -
docker image rm made:four >/dev/null; docker image prune -f | grep -c Total
printf 'FROM busybox\nRUN echo kit >/f\nCMD cat /f\n' | DOCKER_BUILDKIT=1 docker build -q -t made:five -
DOCKER_BUILDKIT=1 docker build -q -t made:six -f DATA/Dockerfile DATA
printf 'FROM busybox\nRUN false\n' | DOCKER_BUILDKIT=1 docker build -q - 2>/dev/null
docker run --rm --pull=never $NONE made:five
docker image rm made:five made:six | grep -c Untagged
docker pull 127.0.0.1:1/nosuch
docker push 127.0.0.1:1/nosuch
docker-compose -p made -f DATA/compose.yml up -d
docker-compose -p made -f DATA/compose.yml exec -T one echo in </dev/null
docker-compose -p made -f DATA/compose.yml down -t 0 -v
docker volume create v1
docker volume inspect --format '{{.Driver}} {{.Mountpoint}}' v1
docker run --rm $NONE -v v1:/v -v DATA:/d:ro busybox sh -c 'cp /d/small /v; cat /v/small'
docker volume ls -q --filter name=v1
docker volume rm v1
docker volume rm v1
docker network create --subnet 10.77.0.0/24 n1
docker network inspect --format '{{.Driver}} {{json .IPAM.Config}}' n1
docker run --rm $NONE --net n1 --ip 10.77.0.9 busybox hostname -i
docker network connect n1 d1
docker network disconnect n1 d1
docker network ls --filter name=n1 --format '{{.Name}} {{.Scope}}'
docker network rm n1
docker network rm nosuch
docker system df --format '{{.Type}}'
docker plugin ls
docker node ls
docker swarm init --advertise-addr 127.0.0.1 | grep -c SWMTKN
until docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}' | grep 'Ready Leader'; do :; done
echo said | docker secret create secret1 - | wc -c; echo said | docker config create config1 - | wc -c
docker service create -qd --replicas 0 --name service1 --secret secret1 --config config1 busybox true | wc -c
docker service ls --format '{{.Name}} {{.Replicas}}'
docker service inspect -f '{{json .Spec.TaskTemplate.ContainerSpec.Image}}' service1
docker service logs service1
docker service rm service1; docker secret rm secret1 | wc -c; docker config rm config1 | wc -c
docker swarm leave --force
docker service ls
docker inspect nosuch
docker logs nosuch
docker start nosuch
docker rm d1 d3
docker container prune -f | grep -c Total
docker events --since $BEGUN --until $(date +%s.%N) --filter type=container --filter label=a=b | wc -l
docker ps -aq --filter name=d1
""".strip().splitlines()

#: The same with the Python SDK, which speaks otherwise: no upgrade, long polls, its own streams.
SDK: Final = r"""
import io, sys, docker
client = docker.DockerClient(base_url=sys.argv[1], timeout=60)
none = {"environment": {"WEAVE_CIDR": "none"}}
print(client.ping(), client.version()["ApiVersion"], client.info()["Driver"])
print(client.containers.run("busybox", "echo hi", remove=True, **none))
made = client.containers.create("busybox", "cat", stdin_open=True, name="sdk", **none)
stream = made.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
made.start()
stream._sock.sendall(b"typed\n")
print(stream.read(8), stream.read(6))
print(made.exec_run("echo in"))
print([octets for octets in made.exec_run("echo streamed", stream=True).output])
code, halves = made.exec_run("sh -c 'echo o; echo e >&2'", demux=True)
print(code, halves)
print([chunk for chunk in made.logs(stream=True, follow=False)])
print(made.top(ps_args="-eo pid,comm")["Titles"])
print(len(next(made.stats(stream=True, decode=True))["name"]))
octets, facts = made.get_archive("/etc/hostname")
print(facts["name"], len(b"".join(octets)) > 0)
print(made.put_archive("/tmp", b"".join(made.get_archive("/etc/hosts")[0])))
made.kill()
print(made.wait()["StatusCode"])
made.remove()
recipe = io.BytesIO(b"FROM busybox\nCMD echo built\n")
image, log = client.images.build(fileobj=recipe, tag="sdk:one", rm=True)
print(sum(map(len, image.save())) > 1000, [line.get("stream", "").strip()[:4] for line in log][:2])
client.images.remove("sdk:one")
for wrong in (lambda: client.containers.get("nosuch"), lambda: client.images.get("nosuch")):
    try:
        wrong()
    except docker.errors.NotFound as problem:
        print(problem.response.status_code, problem.explanation, sorted(problem.response.headers))
"""
