"""What can go wrong, as words that programs may compare, and what a command's exit status says.

Both are promises: a code or a number keeps its meaning for as long as the output is `weave/v1`; new ones may
come. docs/output.md is made from here. A leaf: knows no room.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self


class ExitStatus(IntEnum):
    """How a command ends; the numbers are the original script's (specification cli, section 3)."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> ExitStatus:
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    SUCCESS = 0, "done, or answered"
    FAILURE = 1, "wrong words, or something failed"
    NOT_RUNNING = 2, "the container named is there, but does not run; or its name is somebody else's"
    RESTARTING = 3, "router or plugin is there, and Docker restarts it again and again"
    NOT_JOINED = 4, "of 'weave launch --wait': it runs, but what was to be waited for did not come about"
    WARNINGS = 10, "of 'weave doctor' and 'weave connectivity': something deserves attention"
    BROKEN = 11, "of 'weave doctor' and 'weave connectivity': something is broken"
    HUNG_UP = 129, "ended by SIGHUP; the message says what became of what was begun"
    INTERRUPTED = 130, "ended by Ctrl-C; the message says what became of what was begun"
    TERMINATED = 143, "ended by SIGTERM; the message says what became of what was begun"


class _Word(StrEnum):
    """A word with what it says."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


class NoticeCode(_Word):
    """The kinds of what is worth knowing although the command succeeds."""

    NOTE = "note", "something without a word of its own; more of these may get one"
    CUT_OFF = "cut-off", "containers lost a network, as was asked for"
    DEPRECATED = "deprecated", "a command or option has a successor, or is needed no more"
    DNS_OFF = "dns-off", "the router was launched without weaveDNS: nobody sees the name"
    DOCKER_AWAY = "docker-away", "Docker did not answer for a while, and was waited for"
    DRY_RUN = "dry-run", "nothing was done, as was asked for"
    IGNORED = "ignored", "an option, variable or address has no effect here"
    IMAGE_ABSENT = "image-absent", "there is no image yet"
    IMAGE_MADE = "image-made", "the image had to be made first, which takes its time"
    KERNEL_OLD = "kernel-old", "the kernel is older than what weave works with"
    LEFTOVERS_REMOVED = "leftovers-removed", "what an earlier run left was removed"
    NAME_TOO_LONG = "name-too-long", "the container's name is no hostname, so it gets another"
    NETWORK_STAYS = (
        "network-stays",
        "a network was not removed, because containers are attached, or Docker refused",
    )
    NOT_HANDED_OVER = "not-handed-over", "other hosts did not get the addresses of this one"
    NOT_RUNNING = "not-running", "what was to be stopped did not run"
    NOTHING_TO_DO = "nothing-to-do", "what was named is not what the command works on"
    OTHER_OPTIONS = "other-options", "what was to be launched runs already, with other options, which stay"
    PROXY_ABSENT = "proxy-absent", "there is no proxy to point to"
    RANGE_OVERLAP = "range-overlap", "the host routes addresses elsewhere that containers have or get"
    UNCLAIMED = "unclaimed", "an address that a container has could not be claimed for it"
    WAITING = "waiting", "another weave command was waited for"


class Code(_Word):
    """The kinds of errors."""

    # The caller's words
    USAGE = "usage", "words on the command line are wrong"
    UNKNOWN_COMMAND = "unknown-command", "there is no such command"
    RETIRED = "retired", "the command is no more; the message says what to do instead"
    UNKNOWN_PAGE = "unknown-page", "'weave status' has no such page"
    BAD_ADDRESS = "bad-address", "an IP address, CIDR or subnet does not parse or does not fit"
    BAD_PEER_NAME = "bad-peer-name", "a peer name does not parse"
    BAD_SETTING = "bad-setting", "an environment variable has a value that cannot be used"
    BAD_PASSWORD = "bad-password", "the password, or the file that has it, cannot be used"

    # Docker, and what is in it
    DOCKER = "docker", "Docker refused something, or failed at it"
    DOCKER_UNREACHABLE = "docker-unreachable", "nobody answers where Docker should be"
    DOCKER_TOO_OLD = "docker-too-old", "the engine is older than what weave works with"
    DOCKER_COMMAND = "docker-command", "the program docker is missing, or it failed"
    CONTAINER_UNKNOWN = "container-unknown", "there is no container of that name or id"
    CONTAINER_NOT_RUNNING = "container-not-running", "the container is stopped or restarting"
    CONTAINER_DIED = "container-died", "the container ended while something was done to it"
    CONTAINER_ON_HOST = (
        "container-on-host-network",
        "the container has the host's own network",
    )
    NAME_TAKEN = "name-taken", "a container or network of somebody else has a name that weave needs"
    CONTAINERS_ATTACHED = "containers-attached", "containers would lose their network; the message names them"
    ALREADY_RUNNING = "already-running", "what was to be launched runs already"
    RESTARTING = "restarting", "what was to be launched is there, and Docker restarts it again and again"
    START_FAILED = "start-failed", "router or plugin died, or was not ready in time, when it was launched"
    IMAGE = "image", "the image cannot be made out of this installation"

    # The router
    ROUTER = "router", "the router refused a call"
    ROUTER_ABSENT = "router-absent", "there is no router: it was not launched"
    ROUTER_STOPPED = "router-stopped", "the router's container is there, but does not run"
    ROUTER_RESTARTING = "router-restarting", "Docker restarts the router just now"
    ROUTER_UNREACHABLE = "router-unreachable", "nobody answers at the router's address"
    ROUTER_NOT_READY = "router-not-ready", "the router serves, but not all of it is up yet"
    ALLOCATION_OFF = "allocation-off", "the router was launched without addresses to give out"
    ALLOCATION_ENDED = "allocation-ended", "the router gave up before there was an address: it stops"
    DNS_OFF = "dns-off", "the router was launched without weaveDNS"
    DNS_UNREACHABLE = "dns-unreachable", "weaveDNS does not answer"
    PROXY_ABSENT = "proxy-absent", "there is no proxy to point to"
    NOT_JOINED = "not-joined", "router and plugin run, but peers or addresses were not there in time"
    TAKEOVER_REFUSED = "takeover-refused", "the addresses of a peer could not be taken over"

    # The host
    HOST = "host", "the host refused something, or lacks it"
    NOT_ROOT = "not-root", "the command must be run as root"
    NOT_LINUX = "not-linux", "weave runs on Linux only"
    PROGRAM_MISSING = "program-missing", "a program that weave calls is missing, or does not run"
    KERNEL = "kernel", "the kernel refused a change of its network"
    KERNEL_FEATURE = "kernel-feature", "the kernel lacks something that weave needs"
    FIREWALL = "firewall", "the firewall's rules cannot be read or changed"
    PORT_IN_USE = "port-in-use", "another program has a port that weave needs"
    RANGE_OVERLAP = "range-overlap", "the host routes addresses elsewhere that weave would give out"
    BRIDGE_MISSING = "bridge-missing", "a bridge is missing, or has no address"
    BRIDGE_FOREIGN = (
        "bridge-foreign",
        "a network device is not as this weave makes it",
    )
    STORE = "store", "the database of router or plugin cannot be read or written"
    PROTOCOL = "protocol", "somebody broke the mesh protocol"

    # Ends
    INTERRUPTED = "interrupted", "ended by a signal; the message says what became of what was begun"
    DEFECT = "defect", "an error that nobody foresaw: please report it"
