"""Collections, their statistics and snapshots, from messages."""

from datetime import UTC
from typing import cast

from frostline.client import resources, stats
from frostline.client._from_wire import short, space_of
from frostline.client._names import DURABILITIES, FIELD_KINDS, INDEX_KINDS, METRICS, SEGMENT_STATES, name_of
from frostline.client.types import Metric
from frostline.v1 import collection_pb2 as v1
from frostline.v1 import collection_service_pb2 as service_v1
from frostline.v1 import snapshot_service_pb2 as snapshots_v1

_DIGITS = 6  # of a float32 that was a short decimal number


def collection_of(message: v1.Collection) -> resources.Collection:
    """A collection from the wire."""
    return resources.Collection(
        name=short(message.name),
        description=message.description,
        vectors={field.name: _vector_field_of(field) for field in message.vectors},
        keep_content=message.keep_content or not message.HasField("keep_content"),
        fields={field.path: name_of(FIELD_KINDS, field.kind) for field in message.fields},
        index=name_of(INDEX_KINDS, message.index),
        min_recall=round(message.min_recall, _DIGITS),
        recall=round(message.recall, _DIGITS),
        durability=name_of(DURABILITIES, message.durability),
        aliases=tuple(map(short, message.aliases)),
        record_count=message.record_count,
        sequence=message.sequence,
        size_bytes=message.size_bytes,
        create_time=message.create_time.ToDatetime(UTC),
    )


def stats_of(message: service_v1.CollectionStats) -> stats.CollectionStats:
    """What a collection is made of, from the wire."""
    return stats.CollectionStats(
        record_count=message.record_count,
        tail_count=message.tail_count,
        segments=tuple(map(_segment_of, message.segments)),
        building=message.building,
        records_bytes=message.records_bytes,
        vectors_bytes=message.vectors_bytes,
        indexes_bytes=message.indexes_bytes,
        memory_bytes=message.memory_bytes,
        sequence=message.sequence,
    )


def snapshot_of(message: snapshots_v1.Snapshot) -> resources.Snapshot:
    """A snapshot from the wire."""
    return resources.Snapshot(
        name=short(message.name),
        collection=short(message.collection),
        sequence=message.sequence,
        record_count=message.record_count,
        size_bytes=message.size_bytes,
        create_time=message.create_time.ToDatetime(UTC),
    )


def _vector_field_of(message: v1.VectorField) -> resources.VectorField:
    # The space says what was decided; so the field can be passed on to make a collection like this one.
    space = space_of(message.space)
    return resources.VectorField(
        encoder=short(message.encoder),
        dimensions=space.dimensions,
        metric=cast(Metric, name_of(METRICS, message.metric)),
        layer=space.layer,
        normalize=space.normalize,
        document_prompt=message.document_prompt.literal,
        query_prompt=message.query_prompt.literal,
        space=space,
    )


def _segment_of(message: service_v1.Segment) -> stats.Segment:
    return stats.Segment(
        row_count=message.row_count,
        dead_count=message.dead_count,
        state=name_of(SEGMENT_STATES, message.state),
        indexes=tuple(map(_index_of, message.indexes)),
        size_bytes=message.size_bytes,
        sequence=message.sequence,
    )


def _index_of(message: service_v1.VectorIndex) -> stats.VectorIndex:
    return stats.VectorIndex(
        vector_name=message.vector_name,
        kind=name_of(INDEX_KINDS, message.kind),
        factory=message.factory,
        recalls=tuple(
            stats.MeasuredRecall(measured.selectivity, measured.correlated, measured.recall)
            for measured in message.recalls
        ),
        size_bytes=message.size_bytes,
    )
