"""How far a training, or another long piece of work, is."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from frostline.cli.output import console
from frostline.cli.progress import progress
from frostline.cli.session import Session

_WHOLE = 10_000  # parts of the whole that progress is told in, as hundredths of a percent
_WINDOW_SECONDS = 60.0
_STEP_SECONDS = 600.0
_STEPS = {
    "judging": "Judging",
    "waiting": "Waiting for others in line before",
    "embedding": "Embedding examples",
    "choosing": "Choosing a recipe",
    "fitting": "Fitting",
    "calibrating": "Calibrating",
    "writing": "Writing",
    "labelling": "Labelling records",
    "selecting": "Selecting",
}


def step_text(step: str) -> str:
    """What is being done, for people."""
    return _STEPS.get(step, step.capitalize())


@contextmanager
def question_progress(session: Session, text: str = "Sending examples") -> Generator[Callable[[str, float], None]]:
    """Shows how far long work is while its block runs, unless a program reads the output.

    Args:
        session: knows its reader.
        text: what is done before the first report.
    """
    with progress(None if session.as_json else console(stderr=True), text, "%", _percent, _WINDOW_SECONDS) as shown:
        before = ""

        def report(step: str, share: float) -> None:
            nonlocal before
            if step != before:
                before = step
                shown.step(step_text(step))
            shown.update(round(share * _WHOLE), _WHOLE)

        yield report


def _percent(done: int) -> str:
    return f"{100 * done / _WHOLE:.0f}"


@contextmanager
def training_progress(session: Session, head: str) -> Generator[Callable[[str, float], None]]:
    """Shows how far a training is while its block runs, unless a program reads the output.

    Args:
        session: knows its reader.
        head: its name, for a user who interrupts the wait.
    """
    with question_progress(session) as shown:
        begun = False

        def report(step: str, share: float) -> None:
            nonlocal begun
            begun = True
            shown(step, share)

        try:
            yield report
        except KeyboardInterrupt:
            if begun:
                sys.stderr.write(
                    f"interrupted; the server goes on training: `frostline heads show {head}` tells how it went, "
                    f"`frostline heads cancel {head}` breaks it off\n"
                )
            raise


def patience_seconds(session: Session) -> float:
    """The longest time without a report of the server: ten minutes, or --timeout where that is longer."""
    return max(_STEP_SECONDS, session.timeout_seconds)
