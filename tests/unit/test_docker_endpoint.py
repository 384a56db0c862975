"""Where the engine is: words, variables, and the files of `docker context`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from weave_cli.docker_endpoint import Endpoint, TlsFiles, find_endpoint
from weave_cli.errors import UsageProblem

pytestmark = pytest.mark.unit

REMOTE = "tcp://10.0.0.1:2376"


def make_context(
    home: Path, name: str, host: str, *, files: tuple[str, ...] = (), skips: bool = False
) -> None:
    """As `docker context create` writes it."""
    directory = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / directory
    meta.mkdir(parents=True)
    found = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skips}}}
    (meta / "meta.json").write_text(json.dumps(found))
    tls = home / ".docker/contexts/tls" / directory / "docker"
    tls.mkdir(parents=True)
    for file in files:
        (tls / file).write_text("PEM")


def choose_context(home: Path, name: str) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))


def test_nobody_says_anything() -> None:
    assert find_endpoint({}) == Endpoint()
    assert find_endpoint({}).is_socket


@pytest.mark.parametrize(
    "arguments",
    [
        f"-H {REMOTE}",
        f"-H={REMOTE}",
        f"-H{REMOTE}",
        f"--host {REMOTE}",
        f"--host={REMOTE}",
        f"-D --host='{REMOTE}'",
    ],
)
def test_client_arguments_count_before_docker_host(arguments: str) -> None:
    found = find_endpoint({"DOCKER_CLIENT_ARGS": arguments, "DOCKER_HOST": "tcp://10.9.9.9:1"})
    assert found == Endpoint(host=REMOTE)
    assert not found.is_socket


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("-H", "-H needs a value"),
        ("ps -a", "'ps'"),
        ("-H 'x", "No closing quotation"),
        ("-H x --context y", "both a host and a context"),
    ],
)
def test_client_arguments_that_make_no_sense_are_refused(arguments: str, reason: str) -> None:
    with pytest.raises(UsageProblem, match=reason):
        find_endpoint({"DOCKER_CLIENT_ARGS": arguments})


def test_docker_host_counts_before_contexts(tmp_path: Path) -> None:
    make_context(tmp_path, "far", "tcp://10.0.0.2:2375")
    choose_context(tmp_path, "far")
    environment = {"HOME": str(tmp_path), "DOCKER_CONTEXT": "far"}
    assert find_endpoint({**environment, "DOCKER_HOST": "10.0.0.1:2376"}) == Endpoint(host=REMOTE)
    assert find_endpoint(environment) == Endpoint(host="tcp://10.0.0.2:2375")


def test_named_context_counts_before_the_chosen_one(tmp_path: Path) -> None:
    make_context(tmp_path, "far", "tcp://10.0.0.2:2375")
    make_context(tmp_path, "near", "unix:///srv/docker.sock")
    choose_context(tmp_path, "far")
    environment = {"HOME": str(tmp_path)}
    assert find_endpoint(environment).host == "tcp://10.0.0.2:2375"
    near = find_endpoint({**environment, "DOCKER_CONTEXT": "near"})
    assert near.host == "unix:///srv/docker.sock" and near.is_socket
    assert find_endpoint({**environment, "DOCKER_CONTEXT": "default"}) == Endpoint()
    named = find_endpoint({**environment, "DOCKER_HOST": REMOTE, "DOCKER_CLIENT_ARGS": "-c near"})
    assert named.host == "unix:///srv/docker.sock"


def test_context_brings_its_certificates(tmp_path: Path) -> None:
    make_context(tmp_path, "far", REMOTE, files=("ca.pem", "cert.pem", "key.pem"))
    tls = find_endpoint({"DOCKER_CONFIG": str(tmp_path / ".docker"), "DOCKER_CONTEXT": "far"}).tls
    assert tls is not None and tls.verifies
    assert [Path(file or "").name for file in (tls.ca, tls.certificate, tls.key)] == [
        "ca.pem",
        "cert.pem",
        "key.pem",
    ]


def test_context_may_trust_anybody(tmp_path: Path) -> None:
    make_context(tmp_path, "far", REMOTE, skips=True)
    assert find_endpoint({"HOME": str(tmp_path), "DOCKER_CONTEXT": "far"}).tls == TlsFiles(verifies=False)


@pytest.mark.parametrize("home", ["", "/nonexistent"])
def test_context_that_is_not_there_is_named(home: str) -> None:
    with pytest.raises(UsageProblem, match="no Docker context 'far'") as caught:
        find_endpoint({"HOME": home, "DOCKER_CONTEXT": "far"})
    assert "docker context ls" in (caught.value.hint or "")


def test_broken_configuration_of_docker_is_no_choice(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text("{")
    assert find_endpoint({"HOME": str(tmp_path)}) == Endpoint()


def test_tls_takes_the_files_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("PEM")
    environment = {"DOCKER_HOST": REMOTE, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    assert find_endpoint(environment).tls == TlsFiles(ca=str(tmp_path / "ca.pem"))


def test_certificates_alone_do_not_switch_tls_on(tmp_path: Path) -> None:
    assert find_endpoint({"DOCKER_HOST": REMOTE, "DOCKER_CERT_PATH": str(tmp_path)}).tls is None
    assert find_endpoint({"DOCKER_TLS_VERIFY": "1"}).tls is None


def test_tls_by_client_arguments() -> None:
    words = "--tls --tlscacert=/c/ca --tlscert /c/cert --tlskey /c/key"
    found = find_endpoint({"DOCKER_HOST": REMOTE, "DOCKER_CLIENT_ARGS": words})
    assert found.tls == TlsFiles(ca="/c/ca", certificate="/c/cert", key="/c/key", verifies=False)
    unverified = find_endpoint({"DOCKER_HOST": REMOTE, "DOCKER_CLIENT_ARGS": "--tlsverify=false"})
    assert unverified.tls is None
