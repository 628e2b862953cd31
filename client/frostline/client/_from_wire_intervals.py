"""Figures that may be off by chance, from messages."""

from frostline.client.predictions import Interval
from frostline.v1 import interval_pb2 as v1


def interval_of(message: v1.Interval) -> Interval:
    """A figure from the wire, and how far off it may be."""
    return Interval(message.value, message.low, message.high)
