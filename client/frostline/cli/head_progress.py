"""How far a training is."""

import sys
from collections.abc import Callable, Generator, Mapping
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
}
_QUESTION_STEPS = {
    "waiting": "Waiting for other questions",
    "embedding": "Embedding",
    "comparing": "Comparing with the examples",
    "judging labels": "Judging labels",
    "comparing examples": "Comparing examples",
    "selecting": "Selecting",
}


@contextmanager
def training_progress(session: Session, head: str) -> Generator[Callable[[str, float], None]]:
    """Shows how far a training is while its block runs, unless a program reads the output.

    Args:
        session: knows its reader.
        head: its name, for a user who interrupts the wait.
    """
    with _reporter(session, "Sending examples", _STEPS) as report:
        try:
            yield report
        except KeyboardInterrupt:
            if report.step:
                sys.stderr.write(
                    f"interrupted; the server may go on training: frostline heads show {head} tells how it went\n"
                )
            raise


@contextmanager
def question_progress(session: Session) -> Generator[Callable[[str, float], None]]:
    """Shows how far the answer to a question is while its block runs, unless a program reads the output."""
    with _reporter(session, "Sending", _QUESTION_STEPS) as report:
        yield report


class _Reporter:
    """Shows steps, each of which is told often."""

    def __init__(self, shown: Display, names: Mapping[str, str]) -> None:
        self.step = ""
        self._shown = shown
        self._names = names

    def __call__(self, step: str, share: float) -> None:
        if step != self.step:
            self.step = step
            self._shown.step(self._names.get(step, step))
        self._shown.update(round(share * _PERCENT), _PERCENT)


@contextmanager
def _reporter(session: Session, first: str, names: Mapping[str, str]) -> Generator[_Reporter]:
    with progress(None if session.as_json else console(stderr=True), first, "%") as shown:
        yield _Reporter(shown, names)


def patience_seconds(session: Session) -> float:
    """The longest time without a report of the server: ten minutes, or --timeout where that is longer."""
    return max(_STEP_SECONDS, session.timeout_seconds)
