"""Records and searches of the fake server: one dict, whatever the collection."""

import json
import operator
from collections import Counter

import numpy as np

from fake_calls import item_error
from fake_collections import FakeCollections
from fake_encoders import SPACE, embedding
from frostline.v1 import embedding_pb2 as v1
from frostline.v1 import record_service_pb2 as records_v1
from frostline.v1 import search_service_pb2 as search_v1
from frostline.v1.record_service_pb2_grpc import RecordServiceServicer
from frostline.v1.search_service_pb2_grpc import SearchServiceServicer
from frostline.wire import tensors
from frostline.wire.reasons import Reason

ABORTED, NOT_FOUND = 10, 5
COMPARED = {"=": operator.eq, "<": operator.lt, ">": operator.gt}
EXPLANATION = search_v1.Explanation(
    selectivity=0.25,
    unindexed_fields=["color"],
    steps=[
        search_v1.SearchStep(
            part="segment 0", plan="IVF_PQ", matching_count=500, candidate_count=9000, probe_count=16, recall=0.96
        ),
        search_v1.SearchStep(
            part="tail", plan="exact scan", matching_count=20, candidate_count=20, recall=1.0, verified=True
        ),
    ],
    filter_seconds=0.001,
    vector_seconds=0.002,
    read_seconds=0.0005,
)


def matches(payload: dict, filter: records_v1.Filter) -> bool:
    """Understands `field = $parameter`, also with < and > and numbers, joined by AND."""
    for clause in filter.expression.split(" AND ") if filter.expression.strip() else ():
        field, compared, value = clause.split(maxsplit=2)
        wanted = json.loads(filter.parameters[value[1:]] if value.startswith("$") else value)
        if field not in payload or not COMPARED[compared](payload[field], wanted):
            return False
    return True


class FakeRecords(FakeCollections, RecordServiceServicer, SearchServiceServicer):
    """Keeps records, finds them exactly.

    Attributes:
        applied: answers of the writes that were done, by request id.
        written: for each write that was done, the ids it wrote.
        records: as they were sent, by id.
        vectors: their first vectors, by id.
        sequences: the commit that wrote each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.applied: dict[str, records_v1.UpsertRecordsResponse] = {}
        self.written: list[list[str]] = []
        self.records: dict[str, records_v1.Record] = {}
        self.vectors: dict[str, np.ndarray] = {}
        self.sequences: dict[str, int] = {}

    def UpsertRecords(self, request, context):
        self._enter("UpsertRecords", request, context)
        return self._upsert(request, context)

    def StreamUpsertRecords(self, request_iterator, context):
        return self._stream("StreamUpsertRecords", request_iterator, context, self._upsert)

    def _upsert(self, request, context):
        self._collection(request.collection, context)
        if request.request_id in self.applied:
            return self.applied[request.request_id]
        answer = records_v1.UpsertRecordsResponse(
            sequence=len(self.written) + 1, timings=v1.Timings(write_seconds=0.25)
        )
        written = []
        rows = tensors.decode(request.vectors) if request.HasField("vectors") else None
        for index, record in enumerate(request.records):
            stored = self.records.get(record.id)
            same_content = stored and (stored.text, stored.image) == (record.text, record.image)
            if record.text == "bad":
                answer.errors.append(item_error(index))
            elif record.HasField("expected_sequence") and record.expected_sequence != self.sequences.get(record.id, 0):
                answer.errors.append(item_error(index, ABORTED, Reason.CONFLICT))
            elif request.skip_unchanged and same_content and stored.payload == record.payload:
                answer.unchanged_count += 1
            else:
                answer.reused_count += bool(request.skip_unchanged and same_content)
                self._write(record, None if rows is None else rows[index], answer.sequence)
                written.append(record.id)
        self.written.append(written)
        answer.upserted_count = len(written)
        self.applied[request.request_id] = answer
        return answer

    def _write(self, record, row, sequence):
        if row is None and record.HasField("vector"):
            row = np.frombuffer(record.vector.data, "<f4")
        self.records[record.id] = record
        self.vectors[record.id] = embedding(record.image or record.text.encode()) if row is None else row
        self.sequences[record.id] = sequence

    def PatchPayloads(self, request, context):
        self._enter("PatchPayloads", request, context)
        self._collection(request.collection, context)
        answer = records_v1.PatchPayloadsResponse(sequence=len(self.written) + 1)
        for index, patch in enumerate(request.patches):
            if patch.id not in self.records:
                answer.errors.append(item_error(index, NOT_FOUND, Reason.NOT_FOUND))
                continue
            merged = json.loads(self.records[patch.id].payload or b"{}") | json.loads(patch.patch)
            kept = {name: value for name, value in merged.items() if value is not None}
            self.records[patch.id].payload = json.dumps(kept).encode()
            answer.patched_count += 1
        self.written.append([])
        return answer

    def GetRecords(self, request, context):
        self._enter("GetRecords", request, context)
        return records_v1.GetRecordsResponse(
            records=[self._seen(id, request) for id in request.ids if id in self.records],
            missing_ids=[id for id in request.ids if id not in self.records],
        )

    def ListRecords(self, request, context):
        self._enter("ListRecords", request, context)
        page, token = self._page(self._matching(request), request.page_token)
        return records_v1.ListRecordsResponse(records=[self._seen(id, request) for id in page], next_page_token=token)

    def DeleteRecords(self, request, context):
        self._enter("DeleteRecords", request, context)
        ids = self._matching(request) if request.HasField("filter") else request.ids
        deleted = [id for id in ids if self.records.pop(id, None)]
        self.written.append([])
        return records_v1.DeleteRecordsResponse(deleted_count=len(deleted), sequence=len(self.written))

    def CountRecords(self, request, context):
        self._enter("CountRecords", request, context)
        self._collection(request.collection, context)
        return records_v1.CountRecordsResponse(count=len(self._matching(request)))

    def CountFacets(self, request, context):
        self._enter("CountFacets", request, context)
        payloads = (json.loads(self.records[id].payload) for id in self._matching(request))
        counted = Counter(json.dumps(payload[request.path]) for payload in payloads if request.path in payload)
        facets = [
            records_v1.Facet(value=value.encode(), count=count) for value, count in counted.most_common(request.limit)
        ]
        return records_v1.CountFacetsResponse(facets=facets)

    def SearchRecords(self, request, context):
        self._enter("SearchRecords", request, context)
        return self._search(request, context)

    def StreamSearchRecords(self, request_iterator, context):
        return self._stream("StreamSearchRecords", request_iterator, context, self._search)

    def _search(self, request, context):
        self._collection(request.collection, context)
        answer = search_v1.SearchRecordsResponse(
            sequence=len(self.written), timings=v1.Timings(search_seconds=0.125), recall=0.96 - 0.01 * len(self.written)
        )
        matching = self._matching(request)
        scores = []
        for index, (vector, excluded) in enumerate(self._queries(request)):
            if vector is None:
                answer.errors.append(item_error(index))
                answer.hit_counts.append(0)
                continue
            scored = sorted(((float(self.vectors[id] @ vector), id) for id in matching if id != excluded), reverse=True)
            found = scored[request.offset :][: request.limit or 10]
            answer.hit_counts.append(len(found))
            answer.ids.extend(id for _, id in found)
            scores.extend(score for score, _ in found)
            if request.include_payloads:
                answer.payloads.extend(self.records[id].payload for _, id in found)
            if request.HasField("grouping"):
                answer.groups.extend(self._group(id, request.grouping.path) for _, id in found)
        answer.scores = np.array(scores, "<f4").tobytes()
        if request.explain:
            answer.explanation.CopyFrom(EXPLANATION)
        return answer

    def _group(self, id, path):
        payload = json.loads(self.records[id].payload)
        return json.dumps(payload[path]).encode() if path in payload else b""

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

    def _matching(self, request):
        return [
            id for id, record in self.records.items() if matches(json.loads(record.payload or b"{}"), request.filter)
        ]

    def _seen(self, id, request):
        seen = records_v1.Record(id=id, payload=self.records[id].payload, sequence=self.sequences[id])
        if request.include_content:
            seen.MergeFrom(self.records[id])
        if request.include_vectors:
            seen.vector.data = self.vectors[id].astype("<f4").tobytes()
            seen.vector.space.CopyFrom(SPACE)
            for name, vector in self.records[id].vectors.items():
                seen.vectors[name].CopyFrom(vector)
        seen.ClearField("expected_sequence")
        return seen
