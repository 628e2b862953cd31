"""How alike the answers of two collections are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frostline.client import Client, Query

_TENTH = 10


@dataclass(frozen=True, slots=True)
class Question:
    """What both collections are asked.

    Attributes:
        query: what is searched for.
        record: id of the record that the query was taken from, which does not count as a hit; empty for none.
    """

    query: Query
    record: str = ""


@dataclass(frozen=True, slots=True)
class Overlap:
    """The share of the closest records that two collections have in common.

    Attributes:
        k: how many of the closest records are compared.
        queries: how many queries were asked.
        mean: of all queries, from 0 to 1.
        tenth_percentile: a tenth of the queries has at most this.
    """

    k: int
    queries: int
    mean: float
    tenth_percentile: float


def overlap(
    client: Client, names: tuple[str, str], vector_name: str, questions: Sequence[Question], k: int = 10
) -> Overlap | None:
    """Asks two collections the same and compares their closest records, found as any search finds them.

    Args:
        client: reaches the server.
        names: of the collections.
        vector_name: which of their vectors is searched.
        questions: what is asked; those that a collection cannot answer do not count.
        k: how many of the closest records are compared.

    Returns:
        None where nothing could be asked.
    """
    if not questions:
        return None
    both: list[list[list[str] | None]] = []
    for name in names:
        results = client.search_batch(
            name,
            [question.query for question in questions],
            limit=k + 1,
            vector_name=vector_name,
            include_payloads=False,
        )
        both.append(
            [
                None if place in results.errors else [id for id in hits.ids if id != question.record][:k]
                for place, (hits, question) in enumerate(zip(results, questions, strict=True))
            ]
        )
    shares = [
        len(set(one) & set(other)) / max(len(one), len(other), 1)
        for one, other in zip(*both, strict=True)
        if one is not None and other is not None
    ]
    if not shares:
        return None
    return Overlap(k, len(shares), float(np.mean(shares)), float(np.percentile(shares, _TENTH)))
