"""Questions about what heads learn from and are asked about: has it changed, is it right, what is missing."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from frostline.server.api.convert import known, resource_id
from frostline.server.api.head_examples import ExampleReader, Read
from frostline.server.api.head_inputs import InputReader
from frostline.server.api.head_places import Place, Places
from frostline.server.api.inputs import Waiting
from frostline.server.api.judging import Answered, Judging
from frostline.server.api.question_messages import STRATEGIES, audit_message, drift_message, suggestions_message
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.server.heads import examples
from frostline.server.heads.audit_report import Audit, check_size
from frostline.server.heads.drift import FEWEST, Drift
from frostline.server.heads.fitted import Task
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.orders import AuditLabels, MeasureDrift, Question, SuggestLabels
from frostline.server.heads.store import Heads
from frostline.server.heads.suggestion import MOST_SUGGESTED, Strategy, Suggestions
from frostline.server.heads.trainer import TrainingFailed
from frostline.server.heads.versions import Version
from frostline.server.report import Report, part_of
from frostline.v1 import head_service_pb2 as pb
from frostline.v1.drift_pb2 import Drift as DriftMessage
from frostline.v1.label_audit_pb2 import LabelAudit
from frostline.v1.label_suggestion_pb2 import LabelSuggestions

MOST_SHIFTED = 1_000
MOST_LISTED = 10_000
_SHIFTED, _LISTED, _SUGGESTED = 20, 100, 20  # where a request does not say how many

Request = TypeVar("Request")
T = TypeVar("T")


class HeadQuestions:
    """Answers questions, in processes of their own.

    Args:
        heads: the heads.
        judging: runs the processes.
        places: where inputs may live.
        reader: reads examples.
    """

    def __init__(self, heads: Heads, judging: Judging, places: Places, reader: ExampleReader) -> None:
        self._heads = heads
        self._judging = judging
        self._places = places
        self._reader = reader
        self._inputs = InputReader(places, reader)

    async def told(
        self, ask: Callable[[Request, Waiting, Report], Coroutine[Any, Any, T]], request: Request, waiting: Waiting
    ) -> AsyncGenerator[tuple[str, float, T | None]]:
        """Asks one of the questions below; says the step, how much is done, of 1, and at last what was found."""
        async with aclosing(self._judging.told(lambda report: ask(request, waiting, report))) as tale:
            async for each in tale:
                yield ("", 1.0, each.answer) if isinstance(each, Answered) else (each.step, each.done, None)

    async def drift(self, request: pb.MeasureDriftRequest, waiting: Waiting, report: Report) -> DriftMessage:
        """Measures whether inputs are still like a head's examples.

        Raises:
            InvalidInput: an input is not right, or there are too few, or the head has no examples; says which.
            NotFound: the head, or a collection, is missing.
            SpaceMismatch: an input lives elsewhere.
        """
        limit = _number(request.limit, _SHIFTED, MOST_SHIFTED, "limit")
        name, version = self._version(request.head, request.version)
        place, kept = _place(version), self._examples(name, version)
        given = await self._inputs.read(request.inputs, place)
        if len(given.read.rows) < FEWEST:
            raise InvalidInput(f"there are {len(given.read.rows)} inputs; drift takes {FEWEST} or more")
        features, further = await self._embedded(given.read, place, waiting, report)

        def question(folder: Path) -> MeasureDrift:
            np.save(folder / "inputs.npy", features)
            return MeasureDrift(examples=kept, inputs=folder / "inputs.npy", limit=limit)

        found = Drift.model_validate(await self._answer(question, further, name, version))
        return drift_message(version.number, found, given.read.record_ids)

    async def audit(self, request: pb.AuditLabelsRequest, waiting: Waiting, report: Report) -> LabelAudit:
        """Looks for what is wrong with examples: given ones, or those of a head.

        Raises:
            InvalidInput: an example is not right, or there are none or too many; says which.
            NotFound: the head, or what an example names, is missing.
            SpaceMismatch: an example lives elsewhere.
        """
        limit = _number(request.limit, _LISTED, MOST_LISTED, "limit")
        name, version = self._version(request.head, request.version) if request.head else ("", None)
        _expect_classes(name, version)
        head = self._heads.folders.artifact(name, version) if version else None
        if version and not request.HasField("examples"):
            kept = AuditLabels(examples=self._examples(name, version), artifact=head, limit=limit)
            found = await self._answer(lambda folder: kept, report, name, version)
            return audit_message(Audit.model_validate(found), {})
        place = _place(version) if version else self._places.of(request.examples, request.encoder)
        labelled, further, record_ids = await self._labelled(request.examples, place, waiting, report)

        def question(folder: Path) -> AuditLabels:
            examples.save(folder / "examples", labelled)
            return AuditLabels(examples=folder / "examples", artifact=head, limit=limit)

        found = await self._answer(question, further, name, version)
        return audit_message(Audit.model_validate(found), record_ids)

    async def suggest(self, request: pb.SuggestLabelsRequest, waiting: Waiting, report: Report) -> LabelSuggestions:
        """Chooses inputs whose labels would teach most.

        Raises:
            InvalidInput: an input is not right, or there are none, or the strategy takes a head; says which.
            NotFound: the head, or a collection, is missing, or no record is without a label.
            SpaceMismatch: an input lives elsewhere.
        """
        count = _number(request.count, _SUGGESTED, MOST_SUGGESTED, "count")
        name, version = self._version(request.head, request.version) if request.head else ("", None)
        strategy = _strategy(request.strategy, version)
        if strategy is not Strategy.COVERAGE:
            _expect_classes(name, version)
        place = _place(version) if version else self._inputs.place(request.inputs, request.encoder)
        head = self._heads.folders.artifact(name, version) if version and _says_class(version) else None
        kept = self._heads.folders.examples(name, version) if version else None
        given = await self._inputs.read(request.inputs, place)
        features, further = await self._embedded(given.read, place, waiting, report)

        def question(folder: Path) -> SuggestLabels:
            inputs, labelled = folder / "inputs.npy", folder / "known.npy"
            np.save(inputs, features)
            np.save(labelled, given.labelled_matrix(place.space.dimensions))
            return SuggestLabels(
                inputs=inputs, known=labelled, examples=kept, artifact=head, strategy=strategy, count=count
            )

        found = Suggestions.model_validate(await self._answer(question, further, name, version))
        return suggestions_message(version.number if version else 0, found, given.read.record_ids)

    def _version(self, head: str, number: int) -> tuple[str, Version]:
        name = resource_id(head, "heads")
        return name, self._heads.get(name).ready_version(number)

    def _examples(self, name: str, version: Version) -> Path:
        folder = self._heads.folders.examples(name, version)
        if folder is None:
            raise InvalidInput(
                f"head {name!r} was merged of others and has no examples to go by; ask about one of those heads"
            )
        return folder

    async def _embedded(
        self, read: Read, place: Place, waiting: Waiting, report: Report
    ) -> tuple[NDArray[np.float32], Report]:
        """Embeds what was read; the second part tells how far it is from then on."""
        share = read.embedding_share
        return await self._reader.embed(read, place, part_of(report, 0, share), waiting), part_of(report, share, 1)

    async def _labelled(
        self, given: pb.Examples, place: Place, waiting: Waiting, report: Report
    ) -> tuple[Labelled, Report, dict[int, str]]:
        read = await self._reader.read(given, place)
        await asyncio.to_thread(examples.check_labels, read.labels, allow_one_class=True)
        check_size(len(read.labels), len(set(read.labels)))
        features, further = await self._embedded(read, place, waiting, report)
        labelled = await asyncio.to_thread(examples.check, features, read.labels, allow_one_class=True)
        return labelled, further, read.record_ids

    async def _answer(
        self, prepare: Callable[[Path], Question], report: Report, name: str, version: Version | None
    ) -> dict[str, Any]:
        if version is None:
            return await self._judging.answer(prepare, report)
        try:
            return await self._judging.answer(prepare, report, about=self._heads.folders.artifact(name, version))
        except TrainingFailed as error:
            self._heads.get(name).ready_version(version.number)  # else it was deleted meanwhile
            raise DataDamaged(f"version {version.number} of head {name!r} gives no answer: {error}") from error


def _place(version: Version) -> Place:
    return Place(version.config.encoder, version.config.space)


def _says_class(version: Version | None) -> bool:
    return version is not None and version.config.options.task is Task.CLASS


def _expect_classes(name: str, version: Version | None) -> None:
    if version and not _says_class(version):
        raise InvalidInput(
            f"head {name!r} answers several labels or numbers; audits, and suggestions other than by coverage, are for "
            "heads that answer one label"
        )


def _strategy(number: int, version: Version | None) -> Strategy:
    if number == pb.LABEL_STRATEGY_UNSPECIFIED:
        return Strategy.MARGIN if _says_class(version) else Strategy.COVERAGE
    strategy = known(STRATEGIES, number, "strategy")
    if strategy is not Strategy.COVERAGE and version is None:
        raise InvalidInput(f"strategy {strategy} goes by what a head says; name a head, or take coverage")
    return strategy


def _number(value: int, usual: int, most: int, what: str) -> int:
    if not 0 <= value <= most:
        raise InvalidInput(f"{what} {value} is out of range; ask for 1 to {most:,}, or 0 for {usual}")
    return value or usual
