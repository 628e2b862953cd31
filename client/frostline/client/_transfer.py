"""Measuring transfer, written once for both clients; documented where it is called, in `Client`."""

from collections.abc import AsyncIterable, Callable, Iterable

from frostline.client._from_wire_transfer import report_of, transfer_cost_of
from frostline.client._head_examples import ExampleCalls, Given, HeadProgress
from frostline.client._questions import QuestionCalls
from frostline.client._to_wire import encoder_path, whole
from frostline.client._to_wire_heads import options_message
from frostline.client.errors import Internal
from frostline.client.heads import Example, LabelledRecords, Recipe
from frostline.client.transfer import TransferCost, TransferReport
from frostline.client.types import EmbeddingSpace
from frostline.v1 import head_service_pb2 as v1


class TransferCalls(ExampleCalls, QuestionCalls):
    """Measures transfer."""

    async def measure_transfer(
        self,
        examples: Iterable[Example] | AsyncIterable[Example] = (),
        *,
        encoder: str = "",
        records: LabelledRecords | None = None,
        collection: str = "",
        held_out: Iterable[Example] | AsyncIterable[Example] = (),
        held_out_records: LabelledRecords | None = None,
        recipe: Recipe = "auto",
        strength: float | None = None,
        balance_classes: bool = False,
        draws: int = 10,
        cost: Callable[[TransferCost], None] | None = None,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> TransferReport:
        """Measures what an encoder is worth; see `Client.measure_transfer`."""
        learned = Given(examples=examples, records=records, collection=collection)
        judged = Given(examples=held_out, records=held_out_records, collection=collection)
        options = options_message(recipe, strength, balance_classes, None, 0.0, 0.9)
        request = await self._measurement(encoder, learned, judged, options, draws)

        def hear(told: v1.MeasureTransferResponse) -> None:
            if cost and told.HasField("cost"):
                cost(transfer_cost_of(told.cost))

        last = await self._asked(self._transport.heads.MeasureTransfer, request, progress, timeout_seconds, hear)
        if not last.HasField("report"):
            raise Internal("the server stopped measuring transfer without a report; its log may say why")
        return report_of(last.report, last.html)

    async def transfer_cost(
        self,
        examples: Iterable[Example] | AsyncIterable[Example] = (),
        *,
        encoder: str = "",
        records: LabelledRecords | None = None,
        collection: str = "",
        held_out: Iterable[Example] | AsyncIterable[Example] = (),
        held_out_records: LabelledRecords | None = None,
        recipe: Recipe = "auto",
        strength: float | None = None,
        balance_classes: bool = False,
        draws: int = 10,
        timeout_seconds: float | None = None,
    ) -> TransferCost:
        """Says what measuring takes; see `Client.transfer_cost`."""
        learned = Given(examples=examples, records=records, collection=collection)
        judged = Given(examples=held_out, records=held_out_records, collection=collection)
        options = options_message(recipe, strength, balance_classes, None, 0.0, 0.9)
        request = await self._measurement(encoder, learned, judged, options, draws)
        request.validate_only = True
        last = await self._asked(self._transport.heads.MeasureTransfer, request, None, timeout_seconds)
        return transfer_cost_of(last.cost)

    async def _measurement(
        self, encoder: str, learned: Given, judged: Given, options: v1.HeadOptions, draws: int
    ) -> v1.MeasureTransferRequest:
        request = v1.MeasureTransferRequest(
            encoder=encoder_path(encoder) if encoder else "",
            options=options,
            draws=whole(draws, "draws", least=10, most=100),
        )
        request.examples.CopyFrom(await self._examples(learned, _as_they_are))
        request.held_out.CopyFrom(await self._examples(judged, _as_they_are))
        return request


async def _as_they_are() -> tuple[str, EmbeddingSpace | None]:
    """Nothing is embedded here, however large: what is learned from scratch needs the contents."""
    return "", None
