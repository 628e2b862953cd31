"""Asking heads and judging them, written once for both clients; documented where it is called, in `Client`."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, cast

from numpy.typing import ArrayLike

from frostline.client._batches import cut, each
from frostline.client._channel import REQUEST_BYTES
from frostline.client._from_wire_heads import evaluation_of, predicted_records_of
from frostline.client._from_wire_predictions import GatheredPredictions
from frostline.client._head_examples import ExampleCalls, Given, HeadProgress
from frostline.client._to_wire import (
    are_vectors,
    collection_path,
    head_path,
    input_message,
    matrix,
    not_alone,
    space_message,
    unicode,
    whole,
)
from frostline.client._to_wire_filters import filter_message
from frostline.client._watch import Watch
from frostline.client.errors import Internal
from frostline.client.heads import Example, LabelledRecords
from frostline.client.predictions import Evaluation, PredictedRecords, Predictions
from frostline.client.types import Embeddings, EmbeddingSpace, Floats, Input
from frostline.v1 import head_service_pb2 as v1
from frostline.v1.embedding_pb2 import Input as InputMessage
from frostline.wire import tensors

_MOST = 10_000  # inputs that a server takes at once


class PredictionCalls(ExampleCalls):
    """Asks heads, and judges them."""

    async def predict(
        self,
        head: str,
        inputs: Iterable[Input] | AsyncIterable[Input] | Floats | Embeddings,
        *,
        limit: int = 1,
        version: int = 0,
        batch_size: int = 256,
        timeout_seconds: float | None = None,
    ) -> Predictions:
        """Predicts the labels of inputs; see `Client.predict`."""
        not_alone(inputs)
        shared = v1.PredictRequest(
            head=head_path(head), limit=whole(limit, "limit", least=1), version=whole(version, "version")
        )
        gathered = GatheredPredictions()
        async for request, count in _requests(inputs, batch_size):
            request.MergeFrom(shared)
            request.version = gathered.version or version  # also where a new version comes to serve meanwhile
            gathered.add(await self._call(self._transport.heads.Predict, request, timeout_seconds), count)
        return gathered.predictions()

    async def predict_records(
        self,
        head: str,
        collection: str,
        label_field: str,
        *,
        probability_field: str = "",
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        vector_name: str = "",
        version: int = 0,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> PredictedRecords:
        """Labels the records of a collection; see `Client.predict_records`."""
        request = v1.PredictRecordsRequest(
            head=head_path(head),
            collection=collection_path(collection),
            label_field=unicode(label_field),
            probability_field=unicode(probability_field),
            filter=filter_message(filter, parameters),
            vector_name=unicode(vector_name),
            version=whole(version, "version"),
        )
        watch, last = Watch(self._transport, self._transport.heads.PredictRecords, request), None
        try:
            while report := await self._persist(watch.report, timeout_seconds):
                request.version = report.version  # also where the stream breaks and another comes to serve meanwhile
                last = report
                if progress:
                    progress("labelling", report.progress)
        finally:
            watch.close()
        if last is None or last.progress < 1:
            raise Internal(f"the server stopped labelling collection {collection!r} before the end")
        return predicted_records_of(last)

    async def evaluate_head(
        self,
        name: str,
        examples: Iterable[Example] | AsyncIterable[Example] = (),
        *,
        vectors: ArrayLike | Embeddings | None = None,
        labels: Sequence[str] | Sequence[Sequence[str]] | None = None,
        values: ArrayLike | None = None,
        groups: Sequence[str] | None = None,
        records: LabelledRecords | None = None,
        collection: str = "",
        version: int = 0,
        timeout_seconds: float = 600.0,
    ) -> Evaluation:
        """Judges a head; see `Client.evaluate_head`."""
        request = v1.EvaluateHeadRequest(head=head_path(name), version=whole(version, "version"))
        given = Given(
            examples=examples,
            vectors=vectors,
            labels=labels,
            values=values,
            groups=groups,
            records=records,
            collection=collection,
        )

        async def embedder() -> tuple[str, EmbeddingSpace | None]:
            return await self._embedder(name, timeout_seconds)

        request.examples.CopyFrom(await self._examples(given, embedder))
        return evaluation_of(await self._call(self._transport.heads.EvaluateHead, request, timeout_seconds))


def _requests(
    inputs: Iterable[Input] | AsyncIterable[Input] | Floats | Embeddings, batch_size: int
) -> AsyncIterator[tuple[v1.PredictRequest, int]]:
    if are_vectors(inputs):
        return _vector_requests(*matrix(cast("Floats | Embeddings", inputs)))
    return _content_requests(cast("Iterable[Input] | AsyncIterable[Input]", inputs), batch_size)


async def _content_requests(
    inputs: Iterable[Input] | AsyncIterable[Input], batch_size: int
) -> AsyncIterator[tuple[v1.PredictRequest, int]]:
    messages = (input_message(content) async for content in each(inputs))
    async for batch in cut(messages, batch_size, InputMessage.ByteSize):
        yield v1.PredictRequest(inputs=batch), len(batch)


async def _vector_requests(rows: Floats, space: EmbeddingSpace | None) -> AsyncIterator[tuple[v1.PredictRequest, int]]:
    step = max(1, min(_MOST, REQUEST_BYTES // max(1, 4 * rows.shape[1])))
    for start in range(0, len(rows) or 1, step):  # where there are none, the server still checks what else was asked
        part = rows[start : start + step]
        request = v1.PredictRequest(vectors=tensors.encode(part))
        if space is not None:
            request.space.CopyFrom(space_message(space))
        yield request, len(part)
