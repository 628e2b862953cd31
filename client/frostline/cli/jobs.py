"""What batch jobs show: how far they are, and what they did."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from frostline.cli.output import console, duration, show_fields, show_json
from frostline.cli.progress import progress
from frostline.cli.session import Session

if TYPE_CHECKING:
    from frostline.indexer import Progress, Summary

REJECTED = 3
"""Exit code of a job that was done but rejected rows."""


@contextmanager
def job_progress(
    session: Session, text: str, unit: str, hint: str = "the same command goes on where this one stopped"
) -> Generator["Callable[[Progress], None]"]:
    """Shows how far a job is while its block runs, unless a program reads the output.

    Args:
        session: knows its reader.
        text: what is done.
        unit: what is counted.
        hint: what a user who interrupts the job should know.
    """
    with progress(None if session.as_json else console(stderr=True), text, unit) as shown:

        def report(state: "Progress") -> None:
            shown.update(state.done, state.total, about=state.estimated)

        try:
            yield report
        except KeyboardInterrupt:
            sys.stderr.write(f"interrupted; {hint}\n")
            raise


def show_summary(session: Session, summary: "Summary", collection: str) -> None:
    """Shows what a job did.

    Raises:
        typer.Exit: rows were rejected.
    """
    if session.as_json:
        show_json(summary)
    else:
        show_fields({"Collection": collection, **summary_fields(summary)})
    exit_if_rejected(summary)


def exit_if_rejected(summary: "Summary") -> None:
    """Ends the command with the exit code of a job that rejected rows, where it did."""
    if summary.rejected:
        raise typer.Exit(REJECTED)


def summary_fields(summary: "Summary") -> dict[str, str]:
    """What a job did, for people."""
    rows = summary.rows - summary.resumed
    rate = f" ({rows / summary.seconds:,.0f} rows/s)" if rows and summary.seconds > 0 else ""
    first, reused = summary.first_rejection, summary.reused
    told = {
        "Rows read": f"{summary.rows:,}",
        "Indexed": f"{summary.indexed:,}" + (f", {reused:,} of them with the vectors they had" if reused else ""),
        "Unchanged": f"{summary.unchanged:,}" if summary.unchanged else "",
        "Repeated ids": f"{summary.repeated:,}, of which the last row was taken" if summary.repeated else "",
        "Rejected": f"{summary.rejected:,}" + (f", listed in {summary.rejected_path}" if summary.rejected_path else ""),
        "First rejected": f"row {first.row}: {first.message} ({first.reason})" if first else "",
        "Time": f"{duration(summary.seconds)}{rate}",
        "Gone on": f"after {summary.resumed:,} rows of earlier runs" if summary.resumed else "",
    }
    return {name: value for name, value in told.items() if value}
