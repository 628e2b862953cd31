"""All operations, over either transport."""

from frostline.client._collections import CollectionCalls
from frostline.client._encoders import EncoderCalls
from frostline.client._records import RecordCalls
from frostline.client._search import SearchCalls


class Operations(EncoderCalls, CollectionCalls, RecordCalls, SearchCalls):
    """What a client can do."""
