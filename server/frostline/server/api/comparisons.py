"""Compares encoders, and tells the caller first what that takes, then how far it is."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.api.candidates import Candidate
from frostline.server.api.comparison_questions import ComparisonQuestion, ComparisonQuestions
from frostline.server.api.head_messages import interval_message
from frostline.server.api.inputs import Waiting, embed
from frostline.server.api.judging import Answered, Judging, Told
from frostline.server.batching.batcher import Batcher
from frostline.server.encoders.encoder import Content
from frostline.server.heads import examples, orders
from frostline.server.heads.comparison import cost
from frostline.server.heads.comparison.report import Comparison, Standing, Transfer
from frostline.server.report import Report, part_of
from frostline.v1 import comparison_pb2
from frostline.v1 import head_service_pb2 as pb

_TOGETHER = 256
"""So many inputs are embedded at once; in between, progress is told."""
_TIMED = 8
"""So many inputs say how long the others will take."""
_DISTANCES = {
    None: comparison_pb2.TRANSFER_DISTANCE_UNSPECIFIED,
    Transfer.NEAR: comparison_pb2.TRANSFER_DISTANCE_NEAR,
    Transfer.BETWEEN: comparison_pb2.TRANSFER_DISTANCE_BETWEEN,
    Transfer.FAR: comparison_pb2.TRANSFER_DISTANCE_FAR,
}


@dataclass(frozen=True, slots=True)
class _Embedded:
    """What a candidate makes of a question.

    Attributes:
        examples: float32 of shape (n, d).
        seen: float32 of shape (m, d).
        seconds: that took.
    """

    examples: NDArray[np.float32]
    seen: NDArray[np.float32]
    seconds: float


class Comparisons:
    """Compares encoders.

    Args:
        questions: reads what is asked.
        batcher: runs encoders.
        judging: runs what comes after.
    """

    def __init__(self, questions: ComparisonQuestions, batcher: Batcher, judging: Judging) -> None:
        self._questions = questions
        self._batcher = batcher
        self._judging = judging

    async def compare(self, request: pb.CompareEncodersRequest) -> AsyncIterator[pb.CompareEncodersResponse]:
        """Says what it takes, how far it is, and in the end what was found; breaks off when the caller goes.

        Raises:
            InvalidInput: the request or an example is not right; says which.
            NotFound: an encoder, a layer, a collection or a record is missing.
            ShuttingDown: the server stops.
        """
        question = await self._questions.read(request)
        costs = await self._costs(question)
        yield pb.CompareEncodersResponse(cost=costs)
        if request.validate_only:
            return
        seconds = [each.embed_seconds for each in costs.candidates]
        share = sum(seconds) / costs.seconds
        async with aclosing(self._judging.told(lambda report: self._compared(question, share, report))) as tale:
            async for each in tale:
                match each:
                    case Told():
                        yield pb.CompareEncodersResponse(step=each.step, progress=each.done)
                    case Answered():
                        yield pb.CompareEncodersResponse(progress=1.0, comparison=each.answer)

    async def _costs(self, question: ComparisonQuestion) -> comparison_pb2.ComparisonCost:
        """What a question takes, by how long a few inputs take."""
        count, classes = len(question.contents), len(set(question.labels))
        costs: list[comparison_pb2.CandidateCost] = []
        for candidate in question.candidates:
            compared = candidate.compared()
            rate = await self._seconds_of_one(candidate, question)
            costs.append(
                comparison_pb2.CandidateCost(
                    encoder=compared.encoder,
                    space=compared.space,
                    embed_seconds=rate * (count + len(question.seen)),
                    compare_seconds=cost.seconds(count, candidate.space.dimensions, classes),
                )
            )
        return comparison_pb2.ComparisonCost(
            example_count=count,
            seen_count=len(question.seen),
            candidates=costs,
            seconds=sum(each.embed_seconds + each.compare_seconds for each in costs),
        )

    async def _seconds_of_one(self, candidate: Candidate, question: ComparisonQuestion) -> float:
        count = len(question.contents)
        few = sorted({place * count // _TIMED for place in range(_TIMED)})
        contents, rows = [question.contents[place] for place in few], [int(question.rows[place]) for place in few]
        await self._embed(candidate, contents[:1], rows[:1], "example")  # the first loads the graph
        began = time.monotonic()
        await self._embed(candidate, contents, rows, "example")
        return (time.monotonic() - began) / len(few)

    async def _compared(self, question: ComparisonQuestion, share: float, report: Report) -> comparison_pb2.Comparison:
        embedded: list[_Embedded] = []
        for place, candidate in enumerate(question.candidates):

            def told(done: float, place: int = place) -> None:
                report("embedding", share * (place + done) / len(question.candidates))

            embedded.append(await self._embedded(candidate, question, told))

        def prepared(folder: Path) -> orders.CompareEncoders:
            labels = question.labels
            return orders.CompareEncoders(
                candidates=tuple(_saved(folder, place, each, labels) for place, each in enumerate(embedded))
            )

        answer = await self._judging.answer(prepared, part_of(report, share, 1))
        return _message(Comparison.model_validate(answer), question.candidates, embedded)

    async def _embedded(
        self, candidate: Candidate, question: ComparisonQuestion, told: Callable[[float], None]
    ) -> _Embedded:
        began, parts = time.monotonic(), list[NDArray[np.float32]]()
        count = len(question.contents)
        for start in range(0, count, _TOGETHER):
            told(start / count)
            part = question.contents[start : start + _TOGETHER]
            rows = question.rows[start : start + _TOGETHER].tolist()
            parts.append(await self._embed(candidate, part, rows, "example"))
        seen = await self._embed(candidate, question.seen, range(len(question.seen)), "seen input")
        return _Embedded(np.concatenate(parts), seen, time.monotonic() - began)

    async def _embed(
        self, candidate: Candidate, contents: Sequence[Content], rows: Sequence[int], called: str
    ) -> NDArray[np.float32]:
        waiting = Waiting(patient=True)
        made = await embed(self._batcher, candidate.encoder, contents, candidate.space, waiting=waiting)
        if made.errors:
            place, error = min(made.errors.items())
            raise type(error)(f"{called} {rows[place]}: {error}")
        return made.rows


def _saved(folder: Path, place: int, embedded: _Embedded, labels: Sequence[str]) -> orders.Candidate:
    """Writes what a candidate made for the process that compares."""
    examples.save(folder / f"{place}", examples.check(embedded.examples, labels))
    seen = folder / f"{place}.npy" if len(embedded.seen) else None
    if seen:
        np.save(seen, embedded.seen)
    return orders.Candidate(examples=folder / f"{place}", seen=seen)


def _message(
    found: Comparison, candidates: Sequence[Candidate], embedded: Sequence[_Embedded]
) -> comparison_pb2.Comparison:
    return comparison_pb2.Comparison(
        example_count=found.example_count,
        class_count=found.class_count,
        encoders=[
            _standing(each, candidates[each.candidate], embedded[each.candidate].seconds) for each in found.standings
        ],
    )


def _standing(found: Standing, candidate: Candidate, seconds: float) -> comparison_pb2.ComparedEncoder:
    message = candidate.compared()
    for field in ("tied", "penalty", "log_evidence", "h_score", "neighbor_accuracy"):
        setattr(message, field, getattr(found, field))
    message.accuracy.CopyFrom(interval_message(found.accuracy))
    message.behind.CopyFrom(interval_message(found.behind))
    if found.separability is not None:
        message.separability.CopyFrom(interval_message(found.separability))
    message.distance = _DISTANCES[found.transfer]
    message.embed_seconds = seconds
    return message
