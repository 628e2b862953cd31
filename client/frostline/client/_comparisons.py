"""Comparing encoders, written once for both clients; documented where it is called, in `Client`."""

from collections.abc import AsyncIterable, Callable, Iterable, Sequence

from frostline.client._from_wire_comparisons import comparison_of, cost_of
from frostline.client._head_examples import ExampleCalls, Given, HeadProgress
from frostline.client._questions import QuestionCalls
from frostline.client._to_wire import encoder_path, input_message, not_alone, unicode, whole
from frostline.client.comparisons import Comparison, ComparisonCost
from frostline.client.errors import Internal
from frostline.client.heads import Example, LabelledRecords
from frostline.client.types import EmbeddingSpace, Input
from frostline.v1 import head_service_pb2 as v1


class ComparisonCalls(ExampleCalls, QuestionCalls):
    """Compares encoders."""

    async def compare_encoders(
        self,
        examples: Iterable[Example] | AsyncIterable[Example] = (),
        *,
        encoders: Sequence[str] = (),
        layers: Sequence[str] = (),
        records: LabelledRecords | None = None,
        collection: str = "",
        seen: Sequence[Input] = (),
        max_examples: int = 0,
        cost: Callable[[ComparisonCost], None] | None = None,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> Comparison:
        """Compares encoders; see `Client.compare_encoders`."""
        request = await self._question(examples, encoders, layers, records, collection, seen, max_examples)

        def hear(told: v1.CompareEncodersResponse) -> None:
            if cost and told.HasField("cost"):
                cost(cost_of(told.cost))

        rpc = self._transport.heads.CompareEncoders
        last = await self._asked(rpc, request, progress, timeout_seconds, hear)
        if not last.comparison.encoders:
            raise Internal("the server ended a comparison without an answer")
        return comparison_of(last.comparison)

    async def comparison_cost(
        self,
        examples: Iterable[Example] | AsyncIterable[Example] = (),
        *,
        encoders: Sequence[str] = (),
        layers: Sequence[str] = (),
        records: LabelledRecords | None = None,
        collection: str = "",
        seen: Sequence[Input] = (),
        max_examples: int = 0,
        timeout_seconds: float | None = None,
    ) -> ComparisonCost:
        """Says what comparing takes; see `Client.comparison_cost`."""
        request = await self._question(examples, encoders, layers, records, collection, seen, max_examples)
        request.validate_only = True
        last = await self._asked(self._transport.heads.CompareEncoders, request, None, timeout_seconds)
        return cost_of(last.cost)

    async def _question(
        self,
        examples: Iterable[Example] | AsyncIterable[Example],
        encoders: Sequence[str],
        layers: Sequence[str],
        records: LabelledRecords | None,
        collection: str,
        seen: Sequence[Input],
        max_examples: int,
    ) -> v1.CompareEncodersRequest:
        for several in (encoders, layers, seen):
            not_alone(several)
        request = v1.CompareEncodersRequest(
            encoders=map(encoder_path, encoders),
            layers=map(unicode, layers),
            seen=map(input_message, seen),
            max_examples=whole(max_examples, "max_examples"),
        )
        given = Given(examples=examples, records=records, collection=collection)
        request.examples.CopyFrom(await self._examples(given, _no_embedder))
        return request


async def _no_embedder() -> tuple[str, EmbeddingSpace | None]:
    return "", None  # contents travel as they are, however large: each encoder makes its own of them
