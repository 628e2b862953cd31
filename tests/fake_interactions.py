"""Interactions of the fake server: one dict, whatever the collection."""

from fake_calls import Calls, item_error
from frostline.v1 import interaction_pb2 as interactions_v1
from frostline.v1 import recommendation_service_pb2 as v1
from frostline.v1.recommendation_service_pb2_grpc import RecommendationServiceServicer
from frostline.wire.reasons import Reason

NOT_FOUND = 5
NOW = 1_800_000_000


class FakeInteractions(Calls, RecommendationServiceServicer):
    """Keeps interactions. The record `none` does not exist.

    Attributes:
        interactions: by user, record and kind.
        recorded: answers of the requests that were run, by request id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.interactions: dict[tuple[str, str, str], interactions_v1.Interaction] = {}
        self.recorded: dict[str, v1.RecordInteractionsResponse] = {}

    def RecordInteractions(self, request, context):
        self._enter("RecordInteractions", request, context)
        return self._record(request, context)

    def StreamRecordInteractions(self, request_iterator, context):
        return self._stream("StreamRecordInteractions", request_iterator, context, self._record)

    def _record(self, request, context):
        if request.request_id not in self.recorded:
            answer = v1.RecordInteractionsResponse(sequence=len(self.recorded) + 1)
            for index, each in enumerate(request.interactions):
                if each.record == "none":
                    answer.errors.append(item_error(index, NOT_FOUND, Reason.NOT_FOUND))
                    continue
                stored = interactions_v1.Interaction()
                stored.CopyFrom(each)
                stored.sequence = answer.sequence
                if not each.HasField("time"):
                    stored.time.seconds = NOW
                self.interactions.pop((each.user, each.record, each.kind), None)
                self.interactions[each.user, each.record, each.kind] = stored
                answer.recorded_count += 1
            self.recorded[request.request_id] = answer
        return self.recorded[request.request_id]

    def ListInteractions(self, request, context):
        self._enter("ListInteractions", request, context)
        found = [each for each in self.interactions.values() if request.user in ("", each.user)]
        if request.user:
            found.sort(key=lambda each: -each.time.seconds)
        start, size = int(request.page_token or 0), min(request.page_size, self.page_size)
        return v1.ListInteractionsResponse(
            interactions=found[start : start + size],
            next_page_token=str(start + size) if start + size < len(found) else "",
            total_size=0 if start else len(found),
        )

    def DeleteInteractions(self, request, context):
        self._enter("DeleteInteractions", request, context)
        gone = [
            key
            for key, each in self.interactions.items()
            if request.user in ("", each.user)
            and (not request.records or each.record in request.records)
            and (not request.kinds or each.kind in request.kinds)
            and (not request.HasField("start_time") or each.time.seconds >= request.start_time.seconds)
            and (not request.HasField("end_time") or each.time.seconds < request.end_time.seconds)
        ]
        return v1.DeleteInteractionsResponse(deleted_count=self._forget(gone), sequence=9)

    def DeleteUser(self, request, context):
        self._enter("DeleteUser", request, context)
        gone = [key for key in self.interactions if key[0] == request.user]
        return v1.DeleteUserResponse(deleted_count=self._forget(gone), sequence=9)

    def _forget(self, keys):
        for key in keys:
            del self.interactions[key]
        return len(keys)
