"""Measures what encoders are worth, and tells the caller first what that takes, then how far it is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf import json_format

from frostline.server.api.content_examples import ContentExamples, ContentReader
from frostline.server.api.head_examples import ExampleReader
from frostline.server.api.head_messages import training_options
from frostline.server.api.head_places import Place, Places
from frostline.server.api.inputs import Waiting
from frostline.server.api.judging import Answered, Judging, Told
from frostline.server.encoders.encoder import Content
from frostline.server.errors import InvalidInput
from frostline.server.heads import examples, fitting
from frostline.server.heads.fitted import Task, TrainingOptions
from frostline.server.heads.orders import MeasureTransfer
from frostline.server.heads.transfer import contents, cost
from frostline.server.heads.transfer.draws import Draws
from frostline.server.heads.transfer.report import TransferReport
from frostline.server.report import Report, part_of
from frostline.v1 import head_service_pb2 as pb
from frostline.v1 import transfer_report_pb2

FEWEST_DRAWS, MOST_DRAWS = 10, 100


@dataclass(frozen=True, slots=True)
class _Question:
    place: Place
    given: ContentExamples
    held_out: int
    draws: int
    options: TrainingOptions


class Transfer:
    """Measures transfer.

    Args:
        judging: runs what takes long.
        places: where examples may live.
        reader: embeds examples.
    """

    def __init__(self, judging: Judging, places: Places, reader: ExampleReader) -> None:
        self._judging = judging
        self._places = places
        self._reader = reader
        self._contents = ContentReader(places)

    async def measure(self, request: pb.MeasureTransferRequest) -> AsyncIterator[pb.MeasureTransferResponse]:
        """Says what it takes, how far it is, and in the end what was found; breaks off when the caller goes.

        Raises:
            InvalidInput: the request or an example is not right; says which.
            NotFound: an encoder, a collection or a record is missing.
            ShuttingDown: the server stops.
        """
        question = await self._question(request)
        yield pb.MeasureTransferResponse(cost=await asyncio.to_thread(_cost, question))
        if request.validate_only:
            return
        async with aclosing(self._judging.told(lambda report: self._measured(question, report))) as tale:
            async for each in tale:
                match each:
                    case Told():
                        yield pb.MeasureTransferResponse(step=each.step, progress=each.done)
                    case Answered():
                        html = await asyncio.to_thread(_page, each.answer)
                        yield pb.MeasureTransferResponse(
                            progress=1.0, report=report_message(each.answer), html=html.encode()
                        )

    async def _question(self, request: pb.MeasureTransferRequest) -> _Question:
        """Checks all that can be checked before any work."""
        if request.options.descriptions:
            raise InvalidInput("descriptions count like examples, and nothing from scratch has them; leave them out")
        draws = request.draws or FEWEST_DRAWS
        if not FEWEST_DRAWS <= draws <= MOST_DRAWS:
            raise InvalidInput(f"{draws} draws are out of range; ask for {FEWEST_DRAWS} to {MOST_DRAWS}")
        options = training_options(request.options)
        if options.task is not Task.CLASS:
            raise InvalidInput("transfer is measured for heads that answer one class; leave out the task")
        if options.augment:
            raise InvalidInput("transfer is measured on examples as they are; leave augment out")
        fitting.check_options(options)
        place = self._places.of(request.examples, request.encoder)
        parts = {"example": request.examples, "held-out example": request.held_out}
        given, (training, held_out) = await self._contents.read(parts, place)
        labels = given.read.labels
        await asyncio.to_thread(examples.check_labels, labels[:training])
        if unknown := sorted(set(labels[training:]) - set(labels[:training])):
            raise InvalidInput(
                f"a held-out example is of class {unknown[0]!r}, which no example to learn from is; give some "
                "of it, or leave it out"
            )
        return _Question(place, given, held_out, draws, options)

    async def _measured(self, question: _Question, report: Report) -> TransferReport:
        read = question.given.read
        began = time.monotonic()
        features = await self._reader.embed(
            read, question.place, part_of(report, 0, read.embedding_share), Waiting(patient=True)
        )
        seconds = time.monotonic() - began
        labelled = await asyncio.to_thread(examples.check, features, read.labels)

        def prepared(folder: Path) -> MeasureTransfer:
            examples.save(folder / "examples", labelled)
            _save_contents(folder / "contents", question.given.contents)
            return MeasureTransfer(
                encoder=question.place.encoder,
                examples=folder / "examples",
                contents=folder / "contents",
                held_out=question.held_out,
                draws=question.draws,
                options=question.options,
                embedding_seconds=seconds if read.has_contents else None,
            )

        answer = await self._judging.answer(prepared, part_of(report, read.embedding_share, 1))
        return TransferReport.model_validate(answer)


def _page(report: TransferReport) -> str:
    from frostline.server.heads.transfer import page  # its templates take long to load, for which no start shall wait

    return page.html(report)


def _cost(question: _Question) -> transfer_report_pb2.TransferCost:
    """What a question takes. What cannot be drawn from is refused here, before anything is embedded."""
    labels, found = question.given.read.labels, question.given.contents
    labelled = examples.check(np.zeros((len(labels), 0), np.float32), labels)
    takes = cost.estimated(
        Draws.of(labelled, question.held_out, question.draws),
        len(labelled.classes),
        question.place.space.dimensions,
        question.options,
        of_images=any(isinstance(each, bytes) for each in found),
    )
    return transfer_report_pb2.TransferCost(**takes.model_dump())


def report_message(report: TransferReport) -> transfer_report_pb2.TransferReport:
    """Writes a report: the message has its fields under the same names."""
    fields = report.model_dump(mode="json", exclude_none=True)
    fields["verdict"] = f"TRANSFER_VERDICT_{report.verdict.name}"
    return json_format.ParseDict(fields, transfer_report_pb2.TransferReport())


def _save_contents(folder: Path, given: list[Content]) -> None:
    if texts := [each for each in given if isinstance(each, str)]:
        contents.save_texts(folder, texts)
    else:
        contents.save_images(folder, (each for each in given if isinstance(each, bytes)))
