"""Where heads are made: a version is trained until it is ready and serves, or has failed and says why."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.durable_files import discard
from frostline.server.errors import FrostlineError, ShuttingDown
from frostline.server.heads import artifact
from frostline.server.heads.orders import Making, Merge, Question, Train, Update
from frostline.server.heads.store import Heads
from frostline.server.heads.trainer import Trainer, TrainingFailed, Work
from frostline.server.heads.versions import Head, Version
from frostline.server.report import Report

_log = logging.getLogger(__name__)


class Workshop:
    """Trains versions that were begun, and answers questions. All methods may be called from several threads at once.

    Each waits until it is done; where training fails, the head says so.

    Args:
        heads: where they are kept.
        trainer: runs the processes.
    """

    def __init__(self, heads: Heads, trainer: Trainer) -> None:
        self._heads = heads
        self._trainer = trainer

    def train(self, name: str, version: Version, report: Report) -> Head:
        """Trains a version from its examples alone.

        Returns:
            The head as it is afterwards.

        Raises:
            NotFound: the head was deleted meanwhile.
            ShuttingDown: the server stops; the next start says that it was interrupted.
        """
        folder = self._examples(name, version)
        order = Train(
            examples=folder,
            options=version.config.options,
            target=self._heads.folders.target(name, version),
            artifact=self._heads.folders.artifact(name, version),
        )
        return self._made(name, version, order, report)

    def update(
        self, name: str, version: Version, before: Version, removed: NDArray[np.int64], added: int, report: Report
    ) -> Head:
        """Trains a version from an earlier one; see `train`.

        Args:
            name: of the head.
            version: was begun with the examples that there are now, those that were added last.
            before: the earlier one.
            removed: rows of its examples that are gone.
            added: how many rows of these were added.
            report: told how far it is.
        """
        order = Update(
            before=self._heads.folders.artifact(name, before),
            examples_before=self._heads.folders.examples(name, before),
            removed=tuple(removed.tolist()),
            examples=self._examples(name, version),
            added=added,
            artifact=self._heads.folders.artifact(name, version),
        )
        return self._made(name, version, order, report)

    def merge(self, name: str, version: Version, parts: Sequence[Path | bytes], report: Report) -> Head:
        """Trains a version that knows what several heads know; see `train`.

        Args:
            name: of the head.
            version: was begun without examples.
            parts: folders of their artifacts, or archives as `artifact.pack` makes them.
            report: told how far it is.
        """
        with self._heads.folders.scratch() as folder:
            try:
                folders = [_unpacked(part, folder / str(place)) for place, part in enumerate(parts)]
            except FrostlineError as error:
                return self._heads.fail(name, version, str(error))
            order = Merge(parts=tuple(folders), artifact=self._heads.folders.artifact(name, version))
            return self._made(name, version, order, report)

    def judge(self, prepare: Callable[[Path], Question], report: Report, work: Work) -> dict[str, Any]:
        """Answers a question.

        Args:
            prepare: writes what the question is about into an empty folder, and gives the question.
            report: told how far it is.
            work: can be stopped.

        Returns:
            The answer; see `training`.

        Raises:
            TrainingFailed: the process ended without an answer.
            InvalidInput: there is no answer to that; says why.
            ShuttingDown: the server stops.
        """
        with self._heads.folders.scratch() as folder:
            return self._trainer.carry_out(prepare(folder), report, work)

    def delete(self, name: str) -> tuple[Version, ...]:
        """Deletes a head, and ends what is done for it.

        Returns:
            The versions it had, as far as they are known.

        Raises:
            NotFound: there is none of this name.
        """
        versions = self._heads.delete(name)
        for version in versions:
            self._trainer.cancel(self._heads.folders.artifact(name, version))
        return versions

    def cancel(self, name: str) -> Version:
        """Ends the training of the newest version, and lets go of its files.

        Returns:
            The version, which has failed.

        Raises:
            NotFound: there is no such head.
            NotReady: it is not being trained.
        """
        version = self._heads.cancel(name)
        self._trainer.cancel(self._heads.folders.artifact(name, version))
        discard(self._heads.folders.of(name, version))  # now that nothing writes there
        return version

    def close(self) -> None:
        """Ends what is done, and starts no more."""
        self._trainer.close()

    def _made(self, name: str, version: Version, order: Making, report: Report) -> Head:
        try:
            answer = self._trainer.carry_out(order, report, Work(order.artifact))
            return self._heads.finish(name, version, float(answer["seconds"]))
        except ShuttingDown:
            raise
        except (FrostlineError, TrainingFailed) as error:
            reason = str(error)
        except Exception as error:  # whatever it is, the head must not stay in training
            _log.exception("version %d of head %r was not trained", version.number, name)
            reason = f"training failed ({type(error).__name__}); the log says more"
        return self._heads.fail(name, version, reason)

    def _examples(self, name: str, version: Version) -> Path:
        folder = self._heads.folders.examples(name, version)
        assert folder, "begun without examples"
        return folder


def _unpacked(part: Path | bytes, folder: Path) -> Path:
    if isinstance(part, Path):
        return part
    artifact.unpack(part, folder)
    return folder
