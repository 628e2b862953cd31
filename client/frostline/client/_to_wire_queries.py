"""What is searched for, as messages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np

from frostline.client._names import FUSION_METHODS, SEARCH_MODES, number_of
from frostline.client._to_wire import (
    LARGEST_SEQUENCE,
    collection_path,
    image_bytes,
    input_message,
    not_alone,
    number,
    unicode,
    vector_bytes,
    whole,
)
from frostline.client._to_wire_filters import filter_message
from frostline.client.errors import InvalidInput
from frostline.client.queries import Combination, Fusion, Part, Query, RecordId, SearchMode
from frostline.v1 import search_service_pb2 as v1


class SearchOptions(TypedDict, total=False):
    """How a search is done; described where it is called, in `Client.search`."""

    limit: int | None
    filter: str
    parameters: Mapping[str, Any] | None
    vector_name: str
    offset: int
    min_score: float | None
    include_payloads: bool
    payload_fields: Sequence[str]
    mode: SearchMode
    fusion: Fusion | None
    diversity: float
    group_by: str
    max_per_group: int
    exact: bool
    range: bool
    min_sequence: int
    explain: bool


def search_request(
    collection: str,
    *,
    limit: int | None = None,
    filter: str = "",
    parameters: Mapping[str, Any] | None = None,
    vector_name: str = "",
    offset: int = 0,
    min_score: float | None = None,
    include_payloads: bool = True,
    payload_fields: Sequence[str] = (),
    mode: SearchMode = "vector",
    fusion: Fusion | None = None,
    diversity: float = 0.0,
    group_by: str = "",
    max_per_group: int = 1,
    exact: bool = False,
    range: bool = False,
    min_sequence: int = 0,
    explain: bool = False,
) -> v1.SearchRecordsRequest:
    """A search without its queries.

    Raises:
        InvalidInput: an option is unknown, out of range, or contradicts another.
    """
    if not isinstance(cast(object, range), bool):
        raise InvalidInput(f"range is {range!r}; it is True or False, and min_score the lowest score of a hit")
    if range and min_score is None:
        raise InvalidInput("a range search finds all above min_score; give one")
    not_alone(payload_fields)
    return v1.SearchRecordsRequest(
        collection=collection_path(collection),
        limit=0 if limit is None else whole(limit, "limit", least=1),
        filter=filter_message(filter, parameters),
        vector_name=unicode(vector_name),
        offset=whole(offset, "offset"),
        min_score=None if min_score is None else number(min_score, "min_score"),
        include_payloads=include_payloads,
        payload_fields=[unicode(path) for path in payload_fields],
        mode=number_of(SEARCH_MODES, mode, "mode"),
        fusion=None if fusion is None else _fusion_message(fusion),
        diversity=number(diversity, "diversity"),
        grouping=grouping_message(group_by, max_per_group),
        exact=exact,
        range=range,
        min_sequence=whole(min_sequence, "min_sequence", most=LARGEST_SEQUENCE),
        explain=explain,
    )


def query_message(query: Query, keywords: str = "") -> v1.Query:
    """One query of a search.

    Raises:
        InvalidInput: it is of no known kind, cannot be read, or is no Unicode.
    """
    words = unicode(keywords)
    if isinstance(query, RecordId):
        return v1.Query(record_id=unicode(query.id), keywords=words)
    if isinstance(query, Combination):
        parts = [part_message(part, f"part {index} of a combination") for index, part in enumerate(query.parts)]
        return v1.Query(combination=v1.Combination(parts=parts), keywords=words)
    if not isinstance(cast(object, query), (str, bytes, Path, np.ndarray)):
        raise InvalidInput(
            f"a query must be a text, an image (bytes or a path), a numpy array, a RecordId or a Combination, not a "
            f"{type(query).__name__}; several queries go to search_batch"
        )
    content = input_message(query)
    kind = content.WhichOneof("kind")
    if kind == "text":
        return v1.Query(text=content.text, keywords=words)
    if kind == "image":
        return v1.Query(image=content.image, keywords=words)
    return v1.Query(vector=content.vector, keywords=words)


def part_message(part: Part, what: str) -> v1.QueryPart:
    """A part of a query; named as `what` where it is none.

    Raises:
        InvalidInput: it is no part, has none or several of the kinds, or cannot be read.
    """
    if not isinstance(cast(object, part), Part):
        raise InvalidInput(f"{what} must be a Part, not a {type(part).__name__}")
    if [part.text, part.image, part.record].count(None) + (part.vector is None) != 3:
        raise InvalidInput(f"{what} needs one of text, image, vector and record")
    message = v1.QueryPart(weight=number(part.weight, "weight"), vector_name=unicode(part.vector_name))
    if part.text is not None:
        message.text = unicode(part.text)
    if part.image is not None:
        message.image = image_bytes(part.image)
    if part.vector is not None:
        message.vector.data = vector_bytes(part.vector)
    if part.record is not None:
        message.record_id = unicode(part.record)
    return message


def _fusion_message(fusion: Fusion) -> v1.Fusion:
    return v1.Fusion(
        method=number_of(FUSION_METHODS, fusion.method, "fusion method"),
        keyword_weight=number(fusion.keyword_weight, "keyword_weight"),
        rank_constant=whole(fusion.rank_constant, "rank_constant", least=1),
        depth=whole(fusion.depth, "depth"),
    )


def grouping_message(path: str, max_per_group: int) -> v1.Grouping | None:
    """How many of a group are let through; None without a path.

    Raises:
        InvalidInput: the number is below 1, or given without a path.
    """
    most = whole(max_per_group, "max_per_group", least=1)
    if path:
        return v1.Grouping(path=unicode(path), max_per_group=most)
    if most > 1:
        raise InvalidInput(f"max_per_group {most} is of no use without group_by")
    return None
