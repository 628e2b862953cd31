"""Measuring transfer, written once for both clients; documented where it is called, in `Client`."""

from collections.abc import AsyncIterable, Iterable

from frostline.client._from_wire_transfer import report_of
from frostline.client._head_examples import ExampleCalls, Given, HeadProgress
from frostline.client._questions import QuestionCalls
from frostline.client._to_wire import encoder_path, whole
from frostline.client._to_wire_heads import options_message
from frostline.client.errors import Internal
from frostline.client.heads import Example, LabelledRecords, Recipe
from frostline.client.transfer import TransferReport
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
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> TransferReport:
        """Measures what an encoder is worth; see `Client.measure_transfer`."""
        request = v1.MeasureTransferRequest(
            encoder=encoder_path(encoder) if encoder else "",
            options=options_message(recipe, strength, balance_classes, None, 0.0, 0.9),
            draws=whole(draws, "draws", least=10, most=100),
        )
        learned = Given(examples=examples, records=records, collection=collection)
        judged = Given(examples=held_out, records=held_out_records, collection=collection)
        request.examples.CopyFrom(await self._examples(learned, _as_they_are))
        request.held_out.CopyFrom(await self._examples(judged, _as_they_are))
        last = await self._asked(self._transport.heads.MeasureTransfer, request, progress, timeout_seconds)
        if not last.HasField("report"):
            raise Internal("the server stopped measuring transfer without a report; its log may say why")
        return report_of(last.report, last.html)


async def _as_they_are() -> tuple[str, EmbeddingSpace | None]:
    """Nothing is embedded here, however large: what is learned from scratch needs the contents."""
    return "", None
