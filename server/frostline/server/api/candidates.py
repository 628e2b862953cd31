"""Encoders and depths that can be compared on inputs of one kind."""

from collections.abc import Sequence
from dataclasses import dataclass

from frostline.server.api import convert
from frostline.server.encoders.encoder import Encoder
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import InvalidInput, NotFound
from frostline.v1 import comparison_pb2, head_service_pb2

MOST_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """An encoder at one depth.

    Attributes:
        encoder: runs it.
        space: of its vectors.
    """

    encoder: Encoder
    space: EmbeddingSpace

    @property
    def name(self) -> str:
        """For people."""
        return f"encoder {self.encoder.manifest.name!r} at layer {self.space.layer!r}"

    def compared(self) -> comparison_pb2.ComparedEncoder:
        """A message that says which one it is, and nothing yet of how it fared."""
        return comparison_pb2.ComparedEncoder(
            encoder=f"encoders/{self.encoder.manifest.name}", space=convert.space_message(self.space)
        )


def candidates(registry: Registry, request: head_service_pb2.CompareEncodersRequest, kind: str) -> list[Candidate]:
    """Finds what a request wants to be compared, by encoder and from shallow to deep.

    Args:
        registry: the encoders.
        request: names encoders and depths, or leaves both open.
        kind: of the inputs, `text` or `image`.

    Raises:
        InvalidInput: an encoder takes another kind of input, or there are too many candidates.
        NotFound: there is no such encoder, none that takes the inputs, or none with such a layer.
    """
    encoders = _encoders(registry, request.encoders, kind)
    wanted = set(request.layers)
    found = [
        Candidate(encoder, encoder.manifest.space(layer.name))
        for encoder in encoders
        for layer in encoder.manifest.layers
        if layer.name in wanted or not wanted
    ]
    if missing := sorted(wanted - {each.space.layer for each in found}):
        known = sorted({layer.name for encoder in encoders for layer in encoder.manifest.layers})
        raise NotFound(f"no encoder of these has a layer {missing[0]!r}; there are {', '.join(known)}")
    if len(found) > MOST_CANDIDATES:
        raise InvalidInput(
            f"there are {len(found)} candidates, an encoder at one depth each; name encoders or layers so that at most "
            f"{MOST_CANDIDATES} are left"
        )
    return found


def _encoders(registry: Registry, named: Sequence[str], kind: str) -> list[Encoder]:
    if not named:
        fitting = [encoder for name in registry.names() if (encoder := registry.get(name)).manifest.modality == kind]
        if not fitting:
            raise NotFound(f"this server has no encoder that takes {kind} inputs; add one first")
        return fitting
    names = sorted({convert.resource_id(name, "encoders") for name in named})
    encoders = [registry.get(name) for name in names]
    for encoder in encoders:
        if encoder.manifest.modality != kind:
            raise InvalidInput(
                f"encoder {encoder.manifest.name!r} takes {encoder.manifest.modality} inputs, and the examples are of "
                f"kind {kind}; leave it out"
            )
    return encoders
