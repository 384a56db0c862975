"""doctor: declaration."""

from __future__ import annotations

from dataclasses import asdict

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.params import duration_option
from weave_cli.commands.session import as_root
from weave_cli.commands.usage import command
from weave_cli.error_codes import ExitStatus


@command("doctor")
@duration_option(
    "--wait", bare="1m", help="Look again until all is well, at most so long, as in 60s; default: 1m."
)
@click.pass_context
def doctor(context: click.Context, *, wait: float | None) -> None:
    """Look for what is wrong on this host and between the hosts, and say what mends it.

    Before a launch it tells whether one would succeed. Changes nothing. Exit status: 0 all is well, 10
    something deserves attention, 11 something is broken, 1 the doctor cannot look.
    """
    with as_root() as (settings, progress):
        from weave_cli.doctor.examination import examine_until_well
        from weave_cli.doctor.findings import Verdict, find_worst
        from weave_cli.output.findings import show_findings

        progress.progress("looking")
        seen = examine_until_well(
            settings, wait or 0.0, lambda _: progress.progress("waiting until all is well")
        )
    worst = find_worst(seen)
    findings = [{"category": category.name, **asdict(one)} for category in seen for one in category.findings]
    output = get_output()
    output.answer(
        "Findings",
        {"verdict": worst.word, "findings": [{**one, "verdict": one["verdict"].word} for one in findings]},
    )
    if not output.is_json:
        show_findings(seen)
    # ExitStatus.FAILURE is for a doctor that could not look at all.
    statuses = {Verdict.WARNING: ExitStatus.WARNINGS, Verdict.FAILURE: ExitStatus.BROKEN}
    context.exit(statuses.get(worst, ExitStatus.SUCCESS))
