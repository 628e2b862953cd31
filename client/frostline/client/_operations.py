"""All operations, over either transport."""

from frostline.client._collections import CollectionCalls
from frostline.client._comparisons import ComparisonCalls
from frostline.client._findings import FindingCalls
from frostline.client._heads import HeadCalls
from frostline.client._interactions import InteractionCalls
from frostline.client._predictions import PredictionCalls
from frostline.client._reads import ReadCalls
from frostline.client._recommendations import RecommendationCalls
from frostline.client._search import SearchCalls
from frostline.client._snapshots import SnapshotCalls
from frostline.client._transfer import TransferCalls
from frostline.client._writes import WriteCalls


class Operations(
    CollectionCalls,
    WriteCalls,
    ReadCalls,
    SearchCalls,
    SnapshotCalls,
    HeadCalls,
    PredictionCalls,
    FindingCalls,
    TransferCalls,
    ComparisonCalls,
    InteractionCalls,
    RecommendationCalls,
):
    """What a client can do; heads embed their examples and so bring the operations on encoders."""
