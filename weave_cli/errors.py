"""Everything that can go wrong, as seen by a person: what failed, then what to do. Knows no room above it.

A message names the value that was refused. The hint, when there is one, is the next line that the
person reads. Words that a script may match stay as the original weave script had them. Programs compare the
code: see error_codes.py.
"""

from __future__ import annotations

from weave_cli.error_codes import Code, ExitStatus


class WeaveError(Exception):
    """Root of all errors that we raise on purpose; carries the exit status of the command line."""

    exit_status: int = ExitStatus.FAILURE
    code: Code = Code.DEFECT

    def __init__(self, message: str, *, hint: str | None = None, code: Code | None = None) -> None:
        """code: when there is a better one than that of the class."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message


class UsageProblem(WeaveError):
    """The caller's words are wrong: an unknown option, a value that does not parse."""

    code = Code.USAGE


class DockerProblem(WeaveError):
    """Docker is absent, too old, refuses, or something of ours in it is not as it should be."""

    code = Code.DOCKER


class RouterProblem(WeaveError):
    """The router is absent, does not answer, or refused a call."""

    code = Code.ROUTER


class HostProblem(WeaveError):
    """The kernel, its network or its firewall refused a change or lacks a feature."""

    code = Code.HOST


class StoreProblem(WeaveError):
    """The database of the router or of the plugin cannot be read or written."""

    code = Code.STORE


class ProtocolError(WeaveError):
    """Somebody broke the mesh protocol; see the two children for whom."""

    code = Code.PROTOCOL


class LocalProtocolError(ProtocolError):
    """We were about to break the protocol: a defect of ours."""


class RemoteProtocolError(ProtocolError):
    """A peer broke the protocol; ends its connection with this text as the logged reason."""
