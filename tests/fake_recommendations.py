"""Recommendations of the fake server: what all users like."""

import numpy as np

from fake_calls import Code, fails
from fake_interactions import FakeInteractions
from fake_records import FakeRecords
from frostline.v1 import embedding_pb2 as embeddings_v1
from frostline.v1 import recommendation_service_pb2 as v1
from frostline.wire.reasons import Reason


class FakeRecommendations(FakeRecords, FakeInteractions):
    """Recommends by the sum of weights; with `min_score` none, and says so."""

    def Recommend(self, request, context):
        self._enter("Recommend", request, context)
        return self._recommend(request, context)

    def _recommend(self, request, context):
        self._collection(request.collection, context)
        examples = [part.record_id for part in request.examples if part.record_id]
        if unknown := [id for id in examples if id not in self.records]:
            fails(Code.NOT_FOUND, f"no record {unknown[0]!r}; leave it out", Reason.NOT_FOUND)(context)
        seen = [each.record for each in self.interactions.values() if request.user == each.user]
        ranked = self._ranked(request, {*request.excluded_ids, *([] if request.include_seen else [*seen, *examples])})
        found = [] if request.HasField("min_score") else ranked[request.offset :][: request.limit or 10]
        answer = v1.RecommendResponse(
            ids=[id for _, id in found],
            scores=np.array([score for score, _ in found], "<f4").tobytes(),
            strategy=request.strategy,
            known_count=len(seen) + len(request.examples) + bool(request.profile),
            notes=[] if found else ["no record is left; ask with fewer conditions"],
            sequence=len(self.written),
            learned_sequence=max(0, len(self.written) - 1),
            timings=embeddings_v1.Timings(search_seconds=0.125),
        )
        for score, id in found:
            if request.include_payloads:
                answer.payloads.append(self.records[id].payload)
            if request.HasField("grouping"):
                answer.groups.append(self._group(id, request.grouping.path))
            if request.explain:
                answer.reasons.append(self._reason(score, seen + examples))
        return answer

    def _ranked(self, request, left_out):
        """Scores and ids, best first: halves, which a float32 holds exactly."""
        liked = dict.fromkeys((id for id in self._matching(request) if id not in left_out), 0.0)
        for each in self.interactions.values():
            if each.record in liked:
                liked[each.record] += each.weight / 2
        return sorted(((score, id) for id, score in liked.items()), key=lambda found: (-found[0], found[1]))

    def _reason(self, score, known):
        return v1.RecommendationReason(
            strategies=[
                v1.StrategyShare(strategy=v1.STRATEGY_EASE, score=score - 0.25),
                v1.StrategyShare(strategy=v1.STRATEGY_POPULAR, score=0.25),
            ],
            examples=[v1.ExampleShare(record=id, score=0.5 - place) for place, id in enumerate(known[:5])],
        )
