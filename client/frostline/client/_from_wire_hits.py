"""What a search found, from messages. What does not fit together is the server's fault: Internal."""

import numpy as np

from frostline.client._from_wire import timings_of
from frostline.client.errors import Internal
from frostline.client.queries import Explanation, Hits, SearchStep
from frostline.v1 import search_service_pb2 as v1

_DIGITS = 6  # of a float32 that was a short decimal number


def hits_of(answer: v1.SearchRecordsResponse, count: int) -> list[Hits]:
    """The hits of each query, from columns.

    Raises:
        Internal: the columns do not fit each other or the request.
    """
    counts, ids = list(answer.hit_counts), list(answer.ids)
    payloads, groups = list(answer.payloads), list(answer.groups)
    total, scores_bytes = sum(counts), answer.scores
    lengths = (len(counts), len(ids), len(scores_bytes), len(payloads or ids), len(groups or ids))
    if lengths != (count, total, 4 * total, total, total):
        raise Internal(f"the server's answer of {lengths} does not fit {count} queries with {total} hits")
    scores = np.frombuffer(scores_bytes, "<f4")
    timings, recall, explanation = timings_of(answer.timings), recall_of(answer), explanation_of(answer)
    sequence = answer.sequence
    hits: list[Hits] = []
    start = 0
    for size in counts:
        part = slice(start, start + size)
        found = Hits(
            ids[part],
            scores[part],
            payloads[part],
            groups[part],
            sequence=sequence,
            timings=timings,
            recall=recall,
            explanation=explanation,
        )
        hits.append(found)
        start += size
    return hits


def recall_of(answer: v1.SearchRecordsResponse) -> float:
    """The recall to expect."""
    return round(answer.recall, _DIGITS)


def explanation_of(answer: v1.SearchRecordsResponse) -> Explanation | None:
    """How hits were found, if it was asked for."""
    if not answer.HasField("explanation"):
        return None
    message = answer.explanation
    return Explanation(
        selectivity=message.selectivity,
        filter_indexed=message.filter_indexed,
        unindexed_fields=tuple(message.unindexed_fields),
        steps=tuple(map(_step_of, message.steps)),
        filter_seconds=message.filter_seconds,
        vector_seconds=message.vector_seconds,
        keyword_seconds=message.keyword_seconds,
        rank_seconds=message.rank_seconds,
        read_seconds=message.read_seconds,
    )


def _step_of(message: v1.SearchStep) -> SearchStep:
    return SearchStep(
        part=message.part,
        plan=message.plan,
        matching_count=message.matching_count,
        candidate_count=message.candidate_count,
        probe_count=message.probe_count,
        recall=round(message.recall, _DIGITS),
        verified=message.verified,
    )
