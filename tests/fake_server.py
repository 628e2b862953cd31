"""A Frostline server for the client's tests: the real generated servicers, in this process, with scripted faults."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np

from frostline.v1 import collection_service_pb2 as collections_v1
from frostline.v1 import embedding_pb2 as v1
from frostline.v1 import encoder_service_pb2 as encoders_v1
from frostline.v1.collection_service_pb2_grpc import (
    CollectionServiceServicer,
    add_CollectionServiceServicer_to_server,
)
from frostline.v1.encoder_service_pb2_grpc import EncoderServiceServicer, add_EncoderServiceServicer_to_server
from frostline.v1.error_pb2 import ErrorDetail
from frostline.wire import tensors
from frostline.wire.reasons import TRAILER, Reason

DIMENSIONS = 4
SPACE = v1.EmbeddingSpace(fingerprint="f" * 64, layer="pooled", pooling=v1.POOLING_MEAN, dimensions=4, normalize=True)

Fault = Callable[[grpc.ServicerContext], None]
Code = grpc.StatusCode


def fails(code: grpc.StatusCode, message: str = "scripted", reason: str = "", hint: float | None = None) -> Fault:
    """A fault that ends the call; with a reason it carries Frostline's trailer, without it looks like gRPC's own."""

    def fault(context: grpc.ServicerContext) -> None:
        if reason:
            detail = ErrorDetail(reason=reason, log_id="log-7" if reason == Reason.INTERNAL else "")
            if hint is not None:
                detail.retry_after.FromNanoseconds(round(hint * 1e9))
            context.set_trailing_metadata(((TRAILER, detail.SerializeToString()),))
        context.abort(code, message)

    return fault


def stalls(seconds: float) -> Fault:
    """A fault that only takes time."""
    return lambda _: time.sleep(seconds)


def embedding(content: bytes) -> np.ndarray:
    """What the fake makes of a text or image: a vector of unit length that depends on every byte."""
    vector = np.frombuffer(hashlib.sha256(content).digest()[:DIMENSIONS], np.uint8).astype(np.float32) - 127.5
    return vector / np.linalg.norm(vector)


class FakeServer(EncoderServiceServicer, CollectionServiceServicer):
    """Answers like a small server, and remembers.

    Attributes:
        requests: every request as (method, message), in order of arrival.
        metadata: of every call, the client's metadata.
        faults: for each method, what happens to its next calls, one each; None lets a call through.
        breaks: for each stream, a number of answers after which it breaks with UNAVAILABLE.
        pauses: for each stream, seconds before each answer.
        applied: answers of the writes that were done, by request id.
        written: for each write that was done, the ids it wrote.
        ended: how each stream of the server ended: "served" or "cut".
    """

    def __init__(self) -> None:
        self.target = ""
        self.requests: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, Any]] = []
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self.breaks: defaultdict[str, deque[int]] = defaultdict(deque)
        self.pauses: defaultdict[str, deque[float]] = defaultdict(deque)
        self.applied: dict[str, collections_v1.UpsertRecordsResponse] = {}
        self.written: list[list[str]] = []
        self.ended: list[str] = []
        self.collections: dict[str, collections_v1.Collection] = {}
        self.records: dict[str, collections_v1.Record] = {}
        self.vectors: dict[str, np.ndarray] = {}
        self.encoders = {"tiny": self._encoder("tiny")}
        self.files: defaultdict[str, bytes] = defaultdict(bytes)
        self.page_size = 2

    def of(self, method: str) -> list[Any]:
        """The requests of one method."""
        return [message for name, message in self.requests if name == method]

    def _begin(self, method: str, context: grpc.ServicerContext) -> None:
        self.metadata.append(dict(context.invocation_metadata()))
        if self.faults[method] and (fault := self.faults[method].popleft()):
            fault(context)

    def _enter(self, method: str, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append((method, request))
        self._begin(method, context)

    def _stream(
        self, method: str, requests: Iterator[Any], context: grpc.ServicerContext, answer: Any
    ) -> Iterator[Any]:
        end = "cut"
        try:
            self._begin(method, context)
            answers_left = self.breaks[method].popleft() if self.breaks[method] else -1
            for request in requests:
                self.requests.append((method, request))
                done = answer(request, context)
                if answers_left == 0:
                    fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)(context)
                answers_left -= 1
                if self.pauses[method]:
                    time.sleep(self.pauses[method].popleft())
                yield done
            end = "served"
        finally:
            self.ended.append(end)

    # encoders

    def _encoder(self, name: str) -> encoders_v1.Encoder:
        return encoders_v1.Encoder(
            name=f"encoders/{name}",
            modality=encoders_v1.MODALITY_TEXT,
            fingerprint=SPACE.fingerprint,
            default_space=SPACE,
            layers=[encoders_v1.Layer(name="pooled", dimensions=DIMENSIONS)],
            max_tokens=256,
            prompts={"query": "query: "},
            license="Apache-2.0",
            source="memory",
            device="cpu",
            size_bytes=12,
        )

    def ListEncoders(self, request, context):
        self._enter("ListEncoders", request, context)
        page, token = self._page(sorted(self.encoders), request.page_token)
        return encoders_v1.ListEncodersResponse(encoders=[self.encoders[name] for name in page], next_page_token=token)

    def GetEncoder(self, request, context):
        self._enter("GetEncoder", request, context)
        name = request.name.removeprefix("encoders/")
        if name not in self.encoders:
            fails(Code.NOT_FOUND, f"no encoder {name!r}", Reason.NOT_FOUND)(context)
        return self.encoders[name]

    def Embed(self, request, context):
        self._enter("Embed", request, context)
        return self._embed(request, context)

    def EmbedStream(self, request_iterator, context):
        return self._stream("EmbedStream", request_iterator, context, self._embed)

    def _embed(self, request, context):
        if request.encoder != "encoders/tiny":
            fails(Code.NOT_FOUND, f"no encoder {request.encoder!r}", Reason.NOT_FOUND)(context)
        rows = np.zeros((len(request.inputs), DIMENSIONS), np.float32)
        errors = []
        for index, item in enumerate(request.inputs):
            if item.text == "bad":
                errors.append(self._item_error(index))
            elif item.WhichOneof("kind") == "vector":
                rows[index] = np.frombuffer(item.vector.data, "<f4")
            else:
                rows[index] = embedding(item.image or item.text.encode())
        return encoders_v1.EmbedResponse(
            embeddings=tensors.encode(rows, request.options.dtype),
            errors=errors,
            space=SPACE,
            token_counts=[len(item.text.split()) for item in request.inputs],
            truncated=[len(item.text) > 50 for item in request.inputs],
            timings=v1.Timings(inference_seconds=0.5),
        )

    def _item_error(self, index: int) -> v1.ItemError:
        return v1.ItemError(index=index, code=3, reason=Reason.INVALID_INPUT, message="this one is bad; leave it out")

    def AddEncoder(self, request_iterator, context):
        self._begin("AddEncoder", context)
        received = 0
        Response = encoders_v1.AddEncoderResponse
        for request in request_iterator:
            self.requests.append(("AddEncoder", request))
            if request.WhichOneof("kind") == "spec":
                spec = request.spec
                if spec.encoder_id in self.encoders:
                    fails(Code.ALREADY_EXISTS, f"{spec.encoder_id!r} exists", Reason.ALREADY_EXISTS)(context)
                continue
            self.files[request.chunk.path] += request.chunk.data
            received += len(request.chunk.data)
            yield Response(state=Response.STATE_RECEIVING, received_bytes=received)
        if received != spec.total_bytes:
            fails(Code.INVALID_ARGUMENT, f"{received} of {spec.total_bytes} bytes", Reason.INVALID_INPUT)(context)
        for state in (Response.STATE_BUILDING, Response.STATE_VERIFYING):
            yield Response(state=state)
        self.encoders[spec.encoder_id] = self._encoder(spec.encoder_id)
        yield Response(
            state=Response.STATE_READY,
            encoder=self.encoders[spec.encoder_id],
            checks=[encoders_v1.Check(name="golden", passed=True, detail="largest difference 0")],
        )

    def VerifyEncoder(self, request, context):
        self._enter("VerifyEncoder", request, context)
        return encoders_v1.VerifyEncoderResponse(checks=[encoders_v1.Check(name="files", passed=False, detail="a")])

    def DeleteEncoder(self, request, context):
        self._enter("DeleteEncoder", request, context)
        return encoders_v1.DeleteEncoderResponse()

    # collections

    def CreateCollection(self, request, context):
        self._enter("CreateCollection", request, context)
        created = collections_v1.Collection()
        created.CopyFrom(request.collection)
        created.name = f"collections/{request.collection_id}"
        created.space.CopyFrom(SPACE)
        created.create_time.FromSeconds(1_000_000_000)
        self.collections[created.name] = created
        return created

    def GetCollection(self, request, context):
        self._enter("GetCollection", request, context)
        return self._collection(request.name, context)

    def ListCollections(self, request, context):
        self._enter("ListCollections", request, context)
        page, token = self._page(sorted(self.collections), request.page_token)
        return collections_v1.ListCollectionsResponse(
            collections=[self.collections[name] for name in page], next_page_token=token
        )

    def UpdateCollection(self, request, context):
        self._enter("UpdateCollection", request, context)
        collection = self._collection(request.collection.name, context)
        for path in request.update_mask.paths:
            collection.ClearField(path)
        changed = collections_v1.Collection()
        request.update_mask.MergeMessage(request.collection, changed)
        collection.MergeFrom(changed)
        return collection

    def DeleteCollection(self, request, context):
        self._enter("DeleteCollection", request, context)
        self._collection(request.name, context)
        del self.collections[request.name]
        return collections_v1.DeleteCollectionResponse()

    def UpsertRecords(self, request, context):
        self._enter("UpsertRecords", request, context)
        return self._upsert(request, context)

    def StreamUpsertRecords(self, request_iterator, context):
        return self._stream("StreamUpsertRecords", request_iterator, context, self._upsert)

    def _upsert(self, request, context):
        self._collection(request.collection, context)
        if request.request_id in self.applied:
            return self.applied[request.request_id]
        errors = []
        written = []
        rows = tensors.decode(request.vectors) if request.HasField("vectors") else None
        for index, record in enumerate(request.records):
            if record.text == "bad":
                errors.append(self._item_error(index))
                continue
            if rows is not None:
                vector = rows[index]
            elif record.HasField("vector"):
                vector = np.frombuffer(record.vector.data, "<f4")
            else:
                vector = embedding(record.image or record.text.encode())
            self.records[record.id] = record
            self.vectors[record.id] = vector
            written.append(record.id)
        self.written.append(written)
        answer = collections_v1.UpsertRecordsResponse(
            upserted_count=len(written),
            errors=errors,
            sequence=len(self.written),
            timings=v1.Timings(write_seconds=0.25),
        )
        self.applied[request.request_id] = answer
        return answer

    def GetRecords(self, request, context):
        self._enter("GetRecords", request, context)
        return collections_v1.GetRecordsResponse(
            records=[self._seen(id, request) for id in request.ids if id in self.records],
            missing_ids=[id for id in request.ids if id not in self.records],
        )

    def ListRecords(self, request, context):
        self._enter("ListRecords", request, context)
        page, token = self._page(list(self.records), request.page_token)
        return collections_v1.ListRecordsResponse(
            records=[self._seen(id, request) for id in page], next_page_token=token
        )

    def DeleteRecords(self, request, context):
        self._enter("DeleteRecords", request, context)
        deleted = [id for id in request.ids if self.records.pop(id, None)]
        return collections_v1.DeleteRecordsResponse(deleted_count=len(deleted))

    def CountRecords(self, request, context):
        self._enter("CountRecords", request, context)
        self._collection(request.collection, context)
        return collections_v1.CountRecordsResponse(count=len(self.records))

    def SearchRecords(self, request, context):
        self._enter("SearchRecords", request, context)
        answer = collections_v1.SearchRecordsResponse(
            sequence=len(self.written), timings=v1.Timings(search_seconds=0.125)
        )
        scores = []
        for index, (vector, excluded) in enumerate(self._queries(request)):
            if vector is None:
                answer.errors.append(self._item_error(index))
                answer.hit_counts.append(0)
                continue
            found = sorted(
                ((float(row @ vector), id) for id, row in self.vectors.items() if id != excluded), reverse=True
            )[: request.limit]
            answer.hit_counts.append(len(found))
            answer.ids.extend(id for _, id in found)
            scores.extend(score for score, _ in found)
            if request.include_payloads:
                answer.payloads.extend(self.records[id].payload for _, id in found)
        answer.scores = np.array(scores, "<f4").tobytes()
        return answer

    def _queries(self, request):
        if request.HasField("vectors"):
            yield from ((row, "") for row in tensors.decode(request.vectors))
        for query in request.queries:
            kind = query.WhichOneof("kind")
            if query.text == "bad":
                yield None, ""
            elif kind == "record_id":
                yield self.vectors[query.record_id], query.record_id
            elif kind == "vector":
                yield np.frombuffer(query.vector.data, "<f4"), ""
            else:
                yield embedding(query.image or query.text.encode()), ""

    def _collection(self, name: str, context: grpc.ServicerContext) -> collections_v1.Collection:
        if name not in self.collections:
            fails(Code.NOT_FOUND, f"no collection {name!r}", Reason.NOT_FOUND)(context)
        return self.collections[name]

    def _seen(self, id: str, request: Any) -> collections_v1.Record:
        seen = collections_v1.Record(id=id, payload=self.records[id].payload, sequence=1)
        if request.include_content:
            seen.MergeFrom(self.records[id])
        if request.include_vectors:
            seen.vector.data = self.vectors[id].astype("<f4").tobytes()
            seen.vector.space.CopyFrom(SPACE)
        return seen

    def _page(self, items: list[str], token: str) -> tuple[list[str], str]:
        start = int(token or 0)
        end = start + self.page_size
        return items[start:end], str(end) if end < len(items) else ""


@contextmanager
def fake_server(
    address: str = "localhost:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[FakeServer]:
    """Runs a fake server on a free port."""
    fake = FakeServer()
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 4 * 1024 * 1024)]
    server = grpc.server(ThreadPoolExecutor(8), options=options)
    add_EncoderServiceServicer_to_server(fake, server)
    add_CollectionServiceServicer_to_server(fake, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    fake.target = f"localhost:{port}"
    server.start()
    try:
        yield fake
    finally:
        server.stop(None).wait()
