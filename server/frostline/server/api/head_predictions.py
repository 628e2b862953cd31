"""Predicts with heads, and judges them."""

import asyncio
from pathlib import Path
from time import perf_counter

import numpy as np

from frostline.server.api import convert
from frostline.server.api.head_examples import ExampleReader
from frostline.server.api.head_messages import (
    estimation_message,
    evaluation_message,
    labels_evaluation_message,
    prediction_message,
    value_evaluation_message,
)
from frostline.server.api.head_places import Place
from frostline.server.api.inputs import Vectors, Waiting
from frostline.server.api.judging import Judging
from frostline.server.api.off_loop import FEW_ITEMS, off_loop
from frostline.server.errors import DataDamaged, FrostlineError, InvalidInput
from frostline.server.heads import examples
from frostline.server.heads.evaluation import Evaluation
from frostline.server.heads.evaluation_of_labels import LabelsEvaluation
from frostline.server.heads.evaluation_of_values import ValueEvaluation
from frostline.server.heads.fitted import Task
from frostline.server.heads.groups import Groups
from frostline.server.heads.orders import Evaluate
from frostline.server.heads.predictor import Predictor
from frostline.server.heads.store import Heads
from frostline.server.heads.trainer import TrainingFailed
from frostline.server.heads.versions import Version
from frostline.v1 import head_service_pb2 as pb

MOST_INPUTS = 10_000
MOST_LABELS = 1_000_000
_FEW_VALUES = 100_000
"""So many values are computed in less time than a thread takes to begin."""


class HeadPredictions:
    """Asks heads.

    Args:
        heads: the heads.
        judging: judges them.
        reader: reads inputs and examples.
    """

    def __init__(self, heads: Heads, judging: Judging, reader: ExampleReader) -> None:
        self._heads = heads
        self._judging = judging
        self._reader = reader

    async def predict(self, name: str, request: pb.PredictRequest, waiting: Waiting) -> pb.PredictResponse:
        """Answers a request.

        Raises:
            InvalidInput: the request as a whole is not right.
            NotFound: there is no such head or version, or its encoder is gone.
            SpaceMismatch: the vectors live elsewhere, or the encoder has changed.
        """
        version, predictor = await self._predictor(name, request.version)
        place = Place(version.config.encoder, version.config.space)
        if request.limit < 0:
            raise InvalidInput(f"limit {request.limit} is out of range; ask for 1 class or more")
        limit = min(max(request.limit, 1), len(predictor.classes))
        if request.HasField("vectors"):
            made = await off_loop(request, 1, lambda: _given(request, place, name))
        else:
            convert.at_most(len(request.inputs), MOST_INPUTS, "inputs")
            made = await self._reader.vectors(request, place, waiting)
        good = np.setdiff1d(np.arange(len(made.rows)), list(made.errors))
        rows = made.rows if len(good) == len(made.rows) else made.rows[good]
        if len(rows) * limit > MOST_LABELS:
            raise InvalidInput(
                f"{len(rows)} inputs with {limit} classes each ask for more than {MOST_LABELS} labels; send fewer "
                "inputs, or lower the limit"
            )

        def answer() -> pb.PredictResponse:
            started = perf_counter()
            if predictor.task is Task.VALUE:
                estimated = predictor.estimate(rows)
                made.timings.inference_seconds += perf_counter() - started
                message = estimation_message(predictor, version.number, estimated, len(made.rows), made.errors)
                message.timings.CopyFrom(made.timings)
                return message
            found = predictor.predict(rows, limit)
            if len(found.set_labels) > MOST_LABELS:
                raise InvalidInput(
                    f"the label sets of {len(rows)} inputs hold more than {MOST_LABELS} labels; send fewer inputs"
                )
            made.timings.inference_seconds += perf_counter() - started
            message = prediction_message(predictor.classes, version.number, found, len(made.rows), made.errors)
            message.timings.CopyFrom(made.timings)
            return message

        few = len(rows) <= FEW_ITEMS and len(rows) * predictor.values_per_row <= _FEW_VALUES
        return answer() if few else await asyncio.to_thread(answer)

    async def evaluate(self, name: str, request: pb.EvaluateHeadRequest, waiting: Waiting) -> pb.Evaluation:
        """Judges a head on examples.

        Raises:
            InvalidInput: an example is not right; says which.
            NotFound: the head, or what an example names, is missing.
            SpaceMismatch: an example lives elsewhere.
        """
        version = self._heads.get(name).ready_version(request.version)
        place = Place(version.config.encoder, version.config.space)
        task = version.config.options.task
        read = await self._reader.read(request.examples, place, task)
        await asyncio.to_thread(examples.check_labels, read.labels, allow_one_class=True, task=task)
        groups = await asyncio.to_thread(Groups.of, read.groups) if any(read.groups) else None
        if groups and task is not Task.CLASS:
            raise InvalidInput(f"head {name!r} answers {task}; heads of classes alone are judged by group")
        features = await self._reader.embed(read, place, lambda step, progress: None, waiting)
        labelled = await asyncio.to_thread(examples.check, features, read.labels, allow_one_class=True, task=task)
        head = self._heads.folders.artifact(name, version)

        def question(folder: Path) -> Evaluate:
            examples.save(folder / "examples", labelled)
            if groups:
                groups.save(folder / "groups.json")
            return Evaluate(
                artifact=head, examples=folder / "examples", groups=folder / "groups.json" if groups else None
            )

        try:
            found = await self._judging.answer(question, lambda step, done: None, about=head)
        except TrainingFailed as error:
            self._heads.get(name).ready_version(version.number)  # else it was deleted meanwhile
            raise DataDamaged(f"version {version.number} of head {name!r} cannot be judged: {error}") from error
        match task:
            case Task.CLASS:
                return evaluation_message(version.number, Evaluation.model_validate(found))
            case Task.LABELS:
                return labels_evaluation_message(version.number, LabelsEvaluation.model_validate(found))
            case Task.VALUE:
                return value_evaluation_message(version.number, ValueEvaluation.model_validate(found))

    async def _predictor(self, name: str, number: int) -> tuple[Version, Predictor]:
        if kept := self._heads.kept_predictor(name, number):
            return kept
        return await asyncio.to_thread(self._heads.predictor, name, number)


def _given(request: pb.PredictRequest, place: Place, name: str) -> Vectors:
    """The vectors of a request; rows that cannot be computed with are errors."""
    if request.inputs:
        raise InvalidInput("the request has both inputs and vectors; give one of them")
    if request.HasField("space"):
        place.space.expect(convert.space(request.space), f"head {name!r}")
    rows = place.space.fit(convert.matrix(request.vectors, None, place.space, f"head {name!r}"))
    convert.at_most(len(rows), MOST_INPUTS, "inputs")
    bad = np.flatnonzero(~(np.abs(rows) <= examples.MAX_VALUE).all(axis=1))
    errors: dict[int, FrostlineError] = {
        row: InvalidInput("the vector holds a value that is not finite, or too large") for row in bad.tolist()
    }
    return Vectors(rows, errors, [0] * len(rows), [False] * len(rows))
