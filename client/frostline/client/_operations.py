"""All operations, over either transport."""

from frostline.client._collections import CollectionCalls
from frostline.client._encoders import EncoderCalls
from frostline.client._reads import ReadCalls
from frostline.client._search import SearchCalls
from frostline.client._snapshots import SnapshotCalls
from frostline.client._writes import WriteCalls


class Operations(EncoderCalls, CollectionCalls, WriteCalls, ReadCalls, SearchCalls, SnapshotCalls):
    """What a client can do."""
