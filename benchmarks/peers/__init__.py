"""The peers: other vector stores, each in an environment and in processes of its own."""

from .peer import MODULES, Found, Peer

NAMES = tuple(name for name in MODULES if name != "frostline")

__all__ = ["NAMES", "Found", "Peer"]
