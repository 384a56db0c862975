"""An example of each command, for `weave help COMMAND` and docs/commands.md. A test parses every line.

Apart from the declarations, because only help reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Command -> pairs of a line as it is typed and what comes of it.
EXAMPLES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "setup": (("weave setup", "makes the image now, so that the first launch is quick"),),
    "launch": (
        ("weave launch", "the first host"),
        ("weave launch --wait=2m host1", "comes back when host1 is connected, or says why it is not"),
        ("weave launch --password-file /root/weave-password host1 host2", "joins the others, encrypted"),
    ),
    "launch-router": (("weave launch-router --no-dns host1", "a router without weaveDNS"),),
    "launch-plugin": (
        ("weave launch-plugin --mesh-network-name=mesh", "the network is called mesh"),
        ("weave launch-plugin --managed", "on every host of a swarm, for networks of driver weave:swarm"),
    ),
    "launch-proxy": (
        ("weave launch-proxy --rewrite-inspect", "docker inspect then shows addresses on the network"),
        ("weave launch-proxy -H tcp://0.0.0.0:12375 --tlsverify", "for other machines, with certificates"),
    ),
    "stop": (("weave stop && weave launch", "the same again, with the software that is installed now"),),
    "stop-router": (("weave stop-router", "containers go on talking, new ones have to wait"),),
    "stop-plugin": (("weave stop-plugin", "takes the network 'weave' away if nobody is on it"),),
    "stop-proxy": (("weave stop-proxy", "containers that were started through it stay on the network"),),
    "connect": (
        ("weave connect host3", "goes on trying until host3 is there"),
        ("weave connect --replace host3 host4:7000", "these two, and no other"),
    ),
    "forget": (("weave forget host3", "does not connect to host3 again once that ends"),),
    "rmpeer": (("weave rmpeer host3", "this host takes what host3 owned"),),
    "prime": (("weave prime", "comes back when the hosts have divided the addresses"),),
    "run": (
        ("weave run --name db -e MODE=test postgres", "a free address"),
        ("weave run 10.2.1.1/24 net:default --name db postgres", "that address, and a free one"),
    ),
    "start": (("weave start 10.2.1.1/24 db", "a stopped container comes back at this address"),),
    "restart": (("weave restart db", "with the addresses that it has"),),
    "attach": (
        ("weave attach db", "a free address for a container that runs"),
        ("weave attach 10.2.1.1/24 net:10.32.8.0/24 db", "two addresses, in two subnets"),
    ),
    "detach": (("weave detach 10.2.1.1/24 db", "this address only"),),
    "expose": (("weave expose 10.2.1.254/24 -h gateway.weave.local", "the host, with a name"),),
    "hide": (("weave hide 10.2.1.254/24", "undoes the expose"),),
    "network": (
        ("weave network create shop", "on every host, for 'docker run --net=shop'"),
        ("weave network create --subnet 10.33.0.0/16 --internal db", "with these addresses, and no way out"),
        ("weave network rm shop", "if no container is on it any more"),
    ),
    "dns-args": (
        (
            "docker run --net=weave -h web.weave.local $(weave dns-args) nginx",
            "a container that knows weaveDNS",
        ),
    ),
    "dns-add": (
        ("weave dns-add db -h database.weave.local", "one more name for a container"),
        ("weave dns-add 192.0.2.7 -h printer.weave.local", "a name for something outside"),
    ),
    "dns-remove": (("weave dns-remove db -h database.weave.local", "undoes the dns-add"),),
    "dns-lookup": (("weave dns-lookup db", "asks for db.weave.local"),),
    "status": (
        ("weave status connections", "which hosts, by which overlay, and what is wrong"),
        ("weave status topology --svg mesh.svg", "a picture of the mesh"),
        ("weave status peers --watch=5s", "looks again every five seconds"),
    ),
    "report": (("weave report -f '{{.Router.NickName}}'", "this host's name for people"),),
    "ps": (("weave ps weave:expose db", "the addresses of the host and of a container"),),
    "doctor": (
        ("weave doctor", "would a launch succeed; after it: is all well"),
        ("weave doctor --wait 60s -o json", "for scripts: waits until all is well, at most a minute"),
    ),
    "connectivity": (
        ("weave connectivity test", "between two containers of this host"),
        ("weave connectivity test --hosts", "to every other host as well"),
        ("weave connectivity test --hosts host2,host3", "to two of them"),
    ),
    "reset": (
        ("weave reset --dry-run", "lists what that would remove"),
        ("weave reset", "leaves the mesh, hands over its addresses, removes everything"),
    ),
    "install-service": (
        ("weave install-service", "after a launch: what it started runs as services from now on"),
        ("weave install-service --dry-run", "the units that it would write"),
        ("weave install-service --uninstall", "back to containers"),
    ),
    "env": (("eval $(weave env)", "points docker at the proxy"),),
    "config": (("docker $(weave config) ps", "docker through the proxy, once"),),
    "version": (("weave version", "of this command, and of what runs"),),
    "help": (("weave help launch", "what you are reading, for launch"),),
}
