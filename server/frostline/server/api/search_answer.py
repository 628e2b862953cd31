"""Hits as columns."""

from collections.abc import Mapping
from itertools import chain

import numpy as np

from frostline.server.api.status import item_error
from frostline.server.collections.search.query import Explanation, Hits
from frostline.server.errors import FrostlineError
from frostline.v1 import search_service_pb2 as pb
from frostline.v1.embedding_pb2 import Timings


def search_answer(
    hits: Hits, count: int, errors: Mapping[int, FrostlineError], timings: Timings, explain: bool
) -> pb.SearchRecordsResponse:
    """Writes the answer of a search.

    Args:
        hits: of the queries that did not fail, in their order.
        count: of all queries.
        errors: why a query failed, by its position.
        timings: where the time went.
        explain: whether to say how hits were found.
    """
    counts = [len(ids) for ids in hits.ids]
    if errors:
        of_good = iter(counts)
        counts = [0 if index in errors else next(of_good) for index in range(count)]
    scores = hits.scores[0] if len(hits.scores) == 1 else np.concatenate(hits.scores or (_NO_SCORES,))
    answer = pb.SearchRecordsResponse(
        hit_counts=counts,
        ids=hits.ids[0] if len(hits.ids) == 1 else chain.from_iterable(hits.ids),
        scores=np.asarray(scores, "<f4").tobytes(),
        sequence=hits.sequence,
        timings=timings,
        recall=hits.recall,
    )
    if hits.payloads is not None:
        answer.payloads.extend(chain.from_iterable(hits.payloads))
    if hits.groups is not None:
        answer.groups.extend(chain.from_iterable(hits.groups))
    if errors:
        answer.errors.extend(item_error(index, error) for index, error in sorted(errors.items()))
    if explain:
        answer.explanation.CopyFrom(_explanation(hits.explanation))
    return answer


_NO_SCORES = np.zeros(0, np.float32)


def _explanation(explanation: Explanation) -> pb.Explanation:
    return pb.Explanation(
        selectivity=explanation.selectivity,
        filter_indexed=explanation.filter_indexed,
        unindexed_fields=explanation.unindexed_fields,
        steps=[
            pb.SearchStep(
                part=step.part,
                plan=step.plan,
                matching_count=step.matching_count,
                candidate_count=step.candidate_count,
                probe_count=step.probe_count,
                recall=step.recall,
                verified=step.verified,
            )
            for step in explanation.steps
        ],
        filter_seconds=explanation.filter_seconds,
        vector_seconds=explanation.vector_seconds,
        keyword_seconds=explanation.keyword_seconds,
        rank_seconds=explanation.rank_seconds,
        read_seconds=explanation.read_seconds,
    )
