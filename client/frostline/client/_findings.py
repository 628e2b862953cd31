"""Questions about the data around heads, written once for both clients; documented in `Client`."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from frostline.client._batches import each
from frostline.client._from_wire_findings import audit_of, drift_of, suggestions_of
from frostline.client._head_examples import Embedder, ExampleCalls, Given, HeadProgress
from frostline.client._names import LABEL_STRATEGIES, number_of
from frostline.client._questions import QuestionCalls
from frostline.client._to_wire import are_vectors, encoder_path, head_path, matrix, not_alone, space_message, whole
from frostline.client._to_wire_heads import unlabelled_records_message
from frostline.client.errors import InvalidInput
from frostline.client.heads import Example, LabelledRecords, UnlabelledRecords
from frostline.v1 import head_service_pb2 as v1
from frostline.v1.embedding_pb2 import Input as InputMessage
from frostline.wire import tensors

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from frostline.client.findings import Drift, LabelAudit, LabelStrategy, LabelSuggestion
    from frostline.client.types import Embeddings, EmbeddingSpace, Floats, Input

_KINDS = ("text", "image", "vector", "record_id")


class FindingCalls(ExampleCalls, QuestionCalls):
    """Asks whether data has drifted, where it is wrong, and what to label next."""

    async def measure_drift(
        self,
        head: str,
        inputs: Iterable[Input] | AsyncIterable[Input] | Floats | Embeddings = (),
        *,
        records: UnlabelledRecords | None = None,
        version: int = 0,
        limit: int = 20,
        progress: HeadProgress | None = None,
        timeout_seconds: float = 600.0,
    ) -> Drift:
        """Measures whether inputs are still like the examples of a head; see `Client.measure_drift`."""
        request = v1.MeasureDriftRequest(
            head=head_path(head), version=whole(version, "version"), limit=whole(limit, "limit", least=1)
        )
        request.inputs.CopyFrom(
            await self._unlabelled(inputs, records, lambda: self._embedder(head, timeout_seconds), progress)
        )
        told = await self._asked(self._transport.heads.MeasureDrift, request, progress, timeout_seconds)
        return drift_of(told.drift)

    async def audit_labels(
        self,
        head: str = "",
        examples: Iterable[Example] | AsyncIterable[Example] = (),
        *,
        encoder: str = "",
        vectors: ArrayLike | Embeddings | None = None,
        labels: Sequence[str] | None = None,
        records: LabelledRecords | None = None,
        collection: str = "",
        version: int = 0,
        limit: int = 100,
        progress: HeadProgress | None = None,
        timeout_seconds: float = 600.0,
    ) -> LabelAudit:
        """Looks for errors among examples; see `Client.audit_labels`."""
        not_alone(examples)
        listed = [example async for example in each(examples)]
        _check_one_way(listed, vectors, records)
        request = v1.AuditLabelsRequest(
            head=head_path(head) if head else "",
            version=whole(version, "version"),
            encoder=encoder_path(encoder) if encoder else "",
            limit=whole(limit, "limit", least=1),
        )
        if listed or vectors is not None or records is not None:
            given = Given(examples=listed, vectors=vectors, labels=labels, records=records, collection=collection)
            embedder = self._embedder_of(head, encoder, timeout_seconds)
            request.examples.CopyFrom(await self._examples(given, embedder, progress))
        told = await self._asked(self._transport.heads.AuditLabels, request, progress, timeout_seconds)
        return audit_of(told.audit)

    async def suggest_labels(
        self,
        head: str = "",
        inputs: Iterable[Input] | AsyncIterable[Input] | Floats | Embeddings = (),
        *,
        records: UnlabelledRecords | None = None,
        count: int = 20,
        strategy: LabelStrategy | None = None,
        encoder: str = "",
        version: int = 0,
        progress: HeadProgress | None = None,
        timeout_seconds: float = 600.0,
    ) -> list[LabelSuggestion]:
        """Chooses what to label next; see `Client.suggest_labels`."""
        request = v1.SuggestLabelsRequest(
            head=head_path(head) if head else "",
            version=whole(version, "version"),
            count=whole(count, "count", least=1),
            strategy=number_of(LABEL_STRATEGIES, strategy, "strategy") if strategy else v1.LABEL_STRATEGY_UNSPECIFIED,
            encoder=encoder_path(encoder) if encoder else "",
        )
        embedder = self._embedder_of(head, encoder, timeout_seconds)
        request.inputs.CopyFrom(await self._unlabelled(inputs, records, embedder, progress))
        told = await self._asked(self._transport.heads.SuggestLabels, request, progress, timeout_seconds)
        return suggestions_of(told.suggestions)

    def _embedder_of(self, head: str, encoder: str, timeout_seconds: float) -> Embedder:
        async def embedder() -> tuple[str, EmbeddingSpace | None]:
            return await self._embedder(head, timeout_seconds) if head else (encoder, None)

        return embedder

    async def _unlabelled(
        self,
        inputs: Iterable[Input] | AsyncIterable[Input] | Floats | Embeddings,
        records: UnlabelledRecords | None,
        embedder: Embedder,
        progress: HeadProgress | None,
    ) -> v1.Unlabelled:
        """Inputs for one request; texts and images too large for it are embedded before."""
        message = v1.Unlabelled()
        if records is not None:
            message.records.CopyFrom(unlabelled_records_message(records))
        if are_vectors(inputs):
            rows, space = matrix(cast("Floats | Embeddings", inputs))
            message.vectors.CopyFrom(tensors.encode(rows))
            if space is not None:
                message.space.CopyFrom(space_message(space))
            return message
        not_alone(inputs)
        contents = cast("Iterable[Input] | AsyncIterable[Input]", inputs)
        listed = [_example_of(content) async for content in each(contents)]
        made = await self._examples(Given(examples=listed), embedder, progress)
        message.inputs.extend(map(_input_of, made.examples))
        if made.HasField("vectors"):
            message.vectors.CopyFrom(made.vectors)
            if made.HasField("space"):
                message.space.CopyFrom(made.space)
        return message


def _example_of(content: Input) -> Example:
    """An input without a label."""
    match content:
        case str():
            return Example(text=content)
        case bytes() | Path():
            return Example(image=content)
        case np.ndarray():
            return Example(vector=content)
        case _:
            kind = type(cast(object, content)).__name__
            raise InvalidInput(
                f"cannot take a {kind} as an input; pass texts, images as bytes or pathlib.Path, or vectors"
            )


def _input_of(example: v1.Example) -> InputMessage:
    return InputMessage(text=example.text) if example.HasField("text") else InputMessage(image=example.image)


def _check_one_way(
    examples: Sequence[Example], vectors: ArrayLike | Embeddings | None, records: LabelledRecords | None
) -> None:
    """Refuses examples of several kinds, whose positions nobody could tell apart."""
    ways = [kind for kind in _KINDS if any(getattr(example, kind, None) is not None for example in examples)]
    ways += ["vectors"] if vectors is not None else []
    ways += ["records"] if records is not None else []
    if len(ways) > 1:
        raise InvalidInput(f"the examples come as {' and '.join(ways)}; audit those of one kind at a time")
