"""The certificates of the TCP doors, read once at the start; what cannot be read ends the start."""

from __future__ import annotations

import ssl

from weave_cli.errors import UsageProblem
from weave_cli.proxy.options import TlsOptions


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """Raises UsageProblem naming the file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.certificate, options.key)
    except (OSError, ssl.SSLError) as problem:
        raise UsageProblem(
            f"cannot use certificate {options.certificate} with key {options.key}: {_words(problem)}",
            hint="Give a pair of PEM files with --tlscert and --tlskey.",
        ) from None
    if options.ca is not None:
        try:
            context.load_verify_locations(options.ca)
        except (OSError, ssl.SSLError) as problem:
            raise UsageProblem(
                f"cannot use the certificates of {options.ca}: {_words(problem)}",
                hint="Give a PEM file with --tlscacert.",
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _words(problem: OSError) -> str:
    if isinstance(problem, ssl.SSLError):
        return problem.reason or "it is no PEM"
    return problem.strerror or str(problem)
