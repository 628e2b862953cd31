"""How far a training, or another long piece of work, is."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from frostline.cli.output import console
from frostline.cli.progress import Display, progress
from frostline.cli.session import Session

_PERCENT = 100
_STEP_SECONDS = 600.0
_STEPS = {
    "waiting": "Waiting for other trainings",
    "embedding": "Embedding examples",
    "choosing": "Choosing a recipe",
    "fitting": "Fitting",
    "calibrating": "Calibrating",
    "writing": "Writing",
    "labelling": "Labelling records",
}


class Reports:
    """Shows what a server reports.

    Args:
        display: where.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self.last = ""

    def report(self, step: str, share: float) -> None:
        """Takes what is being done, and how much of it all is done, from 0 to 1."""
        if step != self.last:
            self.last = step
            self.say(_STEPS.get(step, step.capitalize()))
        self._display.update(round(share * _PERCENT), _PERCENT)

    def say(self, text: str) -> None:
        """Says what is done now."""
        self._display.step(text)


@contextmanager
def question_progress(session: Session, text: str = "Sending examples") -> Generator[Reports]:
    """Shows how far long work is while its block runs, unless a program reads the output.

    Args:
        session: knows its reader.
        text: what is done before the first report.
    """
    with progress(None if session.as_json else console(stderr=True), text, "%") as shown:
        yield Reports(shown)


@contextmanager
def training_progress(session: Session, head: str) -> Generator[Callable[[str, float], None]]:
    """Shows how far a training is; see `question_progress`.

    Args:
        session: knows its reader.
        head: its name, for a user who interrupts the wait.
    """
    with question_progress(session) as reports:
        try:
            yield reports.report
        except KeyboardInterrupt:
            if reports.last:
                sys.stderr.write(
                    f"interrupted; the server may go on training: frostline heads show {head} tells how it went\n"
                )
            raise


def patience_seconds(session: Session) -> float:
    """The longest time without a report of the server: ten minutes, or --timeout where that is longer."""
    return max(_STEP_SECONDS, session.timeout_seconds)
