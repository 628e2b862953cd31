"""Heads over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from frostline.server.api.calls import Context, deadline_of
from frostline.server.api.comparisons import Comparisons
from frostline.server.api.convert import resource_id
from frostline.server.api.head_changes import HeadChanges
from frostline.server.api.head_exports import export
from frostline.server.api.head_messages import head_message
from frostline.server.api.head_predictions import HeadPredictions
from frostline.server.api.head_questions import HeadQuestions
from frostline.server.api.inputs import Waiting
from frostline.server.api.pages import Page
from frostline.server.api.record_predictions import RecordPredictions
from frostline.server.api.trainings import Trainings
from frostline.server.api.transfer import Transfer
from frostline.server.encoders.registry import Registry
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import Head
from frostline.server.heads.workshop import Workshop
from frostline.v1 import head_service_pb2 as pb
from frostline.v1.head_service_pb2_grpc import HeadServiceServicer

_CHUNK_BYTES = 1 << 20
_PAGE_BYTES = 1 << 20


class HeadService(HeadServiceServicer):
    """Keeps heads; each method is described in `head_service.proto`.

    Args:
        heads: the heads.
        workshop: deletes them, and cancels trainings.
        registry: the encoders, for exports.
        trainings: those under way.
        changes: trains, updates and merges.
        predictions: predicts and judges.
        questions: answers what takes long.
        transfer: measures what encoders are worth.
        comparisons: compares encoders.
        record_predictions: labels records.
    """

    def __init__(
        self,
        heads: Heads,
        workshop: Workshop,
        registry: Registry,
        trainings: Trainings,
        changes: HeadChanges,
        predictions: HeadPredictions,
        questions: HeadQuestions,
        transfer: Transfer,
        comparisons: Comparisons,
        record_predictions: RecordPredictions,
    ) -> None:
        self._heads = heads
        self._workshop = workshop
        self._registry = registry
        self._trainings = trainings
        self._changes = changes
        self._predictions = predictions
        self._questions = questions
        self._transfer = transfer
        self._comparisons = comparisons
        self._record_predictions = record_predictions

    async def CreateHead(self, request: pb.CreateHeadRequest, context: Context) -> pb.Head:
        return await self._message(await self._changes.create(request))

    async def UpdateHead(self, request: pb.UpdateHeadRequest, context: Context) -> pb.Head:
        waiting = Waiting(deadline_of(context))
        return await self._message(await self._changes.update(_id(request.name), request, waiting))

    async def MergeHeads(self, request: pb.MergeHeadsRequest, context: Context) -> pb.Head:
        return await self._message(await self._changes.merge(request))

    async def WatchHead(self, request: pb.WatchHeadRequest, context: Context) -> AsyncIterator[pb.WatchHeadResponse]:
        name = _id(request.name)
        newest = self._heads.get(name).versions[0]
        yield pb.WatchHeadResponse(head=await self._message(name))
        async for step, progress in self._trainings.watch(newest):
            yield pb.WatchHeadResponse(step=step, progress=progress)
        yield pb.WatchHeadResponse(progress=1.0, head=await self._message(name))

    async def CancelHead(self, request: pb.CancelHeadRequest, context: Context) -> pb.Head:
        name = _id(request.name)

        async def cancel() -> None:
            await self._trainings.cancel([await asyncio.to_thread(self._workshop.cancel, name)])

        await self._trainings.to_the_end(cancel())
        return await self._message(name)

    async def GetHead(self, request: pb.GetHeadRequest, context: Context) -> pb.Head:
        return await self._message(_id(request.name))

    async def ListHeads(self, request: pb.ListHeadsRequest, context: Context) -> pb.ListHeadsResponse:
        page = Page(request, start="")
        rest = [head for head in self._heads.list() if head.name >= str(page.start)]
        shown, more = page.cut(rest, lambda head: head.name)
        return await asyncio.to_thread(self._page, page, shown, more)

    async def RollbackHead(self, request: pb.RollbackHeadRequest, context: Context) -> pb.Head:
        name = _id(request.name)
        await asyncio.to_thread(self._heads.rollback, name, request.version)
        return await self._message(name)

    async def DeleteHead(self, request: pb.DeleteHeadRequest, context: Context) -> pb.DeleteHeadResponse:
        name = _id(request.name)

        async def delete() -> None:
            await self._trainings.cancel(await asyncio.to_thread(self._workshop.delete, name))

        await self._trainings.to_the_end(delete())
        return pb.DeleteHeadResponse()

    async def Predict(self, request: pb.PredictRequest, context: Context) -> pb.PredictResponse:
        return await self._predictions.predict(_id(request.head), request, Waiting(deadline_of(context)))

    async def PredictRecords(
        self, request: pb.PredictRecordsRequest, context: Context
    ) -> AsyncIterator[pb.PredictRecordsResponse]:
        async for told in self._record_predictions.predict(request):
            yield told

    async def EvaluateHead(self, request: pb.EvaluateHeadRequest, context: Context) -> pb.Evaluation:
        return await self._predictions.evaluate(_id(request.head), request, Waiting(deadline_of(context)))

    async def MeasureDrift(
        self, request: pb.MeasureDriftRequest, context: Context
    ) -> AsyncIterator[pb.MeasureDriftResponse]:
        async with aclosing(self._questions.told(self._questions.drift, request, _patient(context))) as tale:
            async for step, progress, drift in tale:
                yield pb.MeasureDriftResponse(step=step, progress=progress, drift=drift)

    async def AuditLabels(
        self, request: pb.AuditLabelsRequest, context: Context
    ) -> AsyncIterator[pb.AuditLabelsResponse]:
        async with aclosing(self._questions.told(self._questions.audit, request, _patient(context))) as tale:
            async for step, progress, audit in tale:
                yield pb.AuditLabelsResponse(step=step, progress=progress, audit=audit)

    async def SuggestLabels(
        self, request: pb.SuggestLabelsRequest, context: Context
    ) -> AsyncIterator[pb.SuggestLabelsResponse]:
        async with aclosing(self._questions.told(self._questions.suggest, request, _patient(context))) as tale:
            async for step, progress, suggestions in tale:
                yield pb.SuggestLabelsResponse(step=step, progress=progress, suggestions=suggestions)

    async def MeasureTransfer(
        self, request: pb.MeasureTransferRequest, context: Context
    ) -> AsyncIterator[pb.MeasureTransferResponse]:
        async for told in self._transfer.measure(request):
            yield told

    async def CompareEncoders(
        self, request: pb.CompareEncodersRequest, context: Context
    ) -> AsyncIterator[pb.CompareEncodersResponse]:
        async for each in self._comparisons.compare(request):
            yield each

    async def ExportHead(self, request: pb.ExportHeadRequest, context: Context) -> AsyncIterator[pb.ExportHeadResponse]:
        data = await asyncio.to_thread(export, self._heads, self._registry, _id(request.name), request)
        for start in range(0, len(data), _CHUNK_BYTES):
            yield pb.ExportHeadResponse(data=data[start : start + _CHUNK_BYTES])

    def _page(self, page: Page, shown: Sequence[Head], more: str) -> pb.ListHeadsResponse:
        """Heads as messages, until they are many bytes; one always is."""
        answer, size = pb.ListHeadsResponse(next_page_token=more), 0
        for head in shown:
            message = self._told(head)
            size += message.ByteSize()
            if answer.heads and size > _PAGE_BYTES:
                answer.next_page_token = page.token(head.name)
                break
            answer.heads.append(message)
        return answer

    async def _message(self, name: str) -> pb.Head:
        return await asyncio.to_thread(lambda: self._told(self._heads.get(name)))

    def _told(self, head: Head) -> pb.Head:
        message = head_message(self._heads, head)
        if now := self._trainings.now(head.versions[0]):
            message.versions[0].step, message.versions[0].progress = now
        return message


def _patient(context: Context) -> Waiting:
    return Waiting(deadline_of(context), patient=True)


def _id(name: str) -> str:
    return resource_id(name, "heads")
