"""What a collection is made of, as a message."""

from frostline.server.api.config_message import index_kind_number
from frostline.server.collections.segments.stats import CollectionStats, IndexStats, SegmentStats
from frostline.v1 import collection_service_pb2 as pb


def stats_message(stats: CollectionStats) -> pb.CollectionStats:
    """Describes what a collection is made of."""
    return pb.CollectionStats(
        record_count=stats.record_count,
        tail_count=stats.tail_count,
        segments=[_segment(segment) for segment in stats.segments],
        building=stats.building,
        records_bytes=stats.records_bytes,
        vectors_bytes=stats.vectors_bytes,
        indexes_bytes=stats.indexes_bytes,
        memory_bytes=stats.memory_bytes,
        sequence=stats.sequence,
    )


def _segment(segment: SegmentStats) -> pb.Segment:
    if segment.quarantined:
        state = pb.SEGMENT_STATE_QUARANTINED
    elif segment.verified:
        state = pb.SEGMENT_STATE_VERIFIED
    else:
        state = pb.SEGMENT_STATE_UNVERIFIED
    return pb.Segment(
        row_count=segment.row_count,
        dead_count=segment.dead_count,
        state=state,
        indexes=[_index(index) for index in segment.indexes],
        size_bytes=segment.size_bytes,
        sequence=segment.sequence,
    )


def _index(index: IndexStats) -> pb.VectorIndex:
    return pb.VectorIndex(
        vector_name=index.vector_name,
        kind=index_kind_number(index.kind),
        factory=index.factory,
        recalls=[
            pb.MeasuredRecall(selectivity=each.selectivity, correlated=each.correlated, recall=each.recall)
            for each in index.recalls
        ],
        size_bytes=index.size_bytes,
    )
