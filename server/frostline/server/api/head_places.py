"""Where the vectors of a head live, and what makes them."""

from dataclasses import dataclass

from frostline.server.api import convert
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.encoders.encoder import Encoder
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import InvalidInput, SpaceMismatch
from frostline.v1 import head_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Place:
    """Where a head's vectors live.

    Attributes:
        encoder: name of the encoder; empty where there is none.
        space: the space.
    """

    encoder: str
    space: EmbeddingSpace


class Places:
    """Finds places.

    Args:
        registry: the encoders.
        catalogue: the collections.
    """

    def __init__(self, registry: Registry, catalogue: Catalogue) -> None:
        self._registry = registry
        self._catalogue = catalogue

    def of(self, examples: pb.Examples, encoder: str, layer: str = "") -> Place:
        """Finds out where examples live.

        Args:
            examples: of a request.
            encoder: resource name of the encoder that is asked for; empty for none.
            layer: of the encoder; its default when empty.

        Raises:
            InvalidInput: nothing says so, or a layer of no encoder is asked for.
            NotFound: there is no such encoder, layer, collection or vector name.
        """
        if encoder:
            name = convert.resource_id(encoder, "encoders")
            return Place(name, self._registry.get(name).manifest.space(layer))
        if layer:
            raise InvalidInput(f"layer {layer[:80]!r} is asked for, and no encoder is named; name the encoder")
        if examples.HasField("records") or examples.collection:
            collection, slot = self.source(examples)
            vector = collection.config.vectors[slot]
            return Place(vector.encoder, vector.space)
        if contents := {"text", "image"} & {each.WhichOneof("kind") for each in examples.examples}:
            raise self._unnamed(contents)
        if examples.HasField("space"):
            return self.known(convert.space(examples.space))
        if examples.HasField("vectors") and len(examples.vectors.shape) == 2:
            return _plain(examples.vectors.shape[1])
        for each in examples.examples:
            if each.HasField("vector"):
                if each.vector.HasField("space"):
                    return self.known(convert.space(each.vector.space))
                return _plain(len(each.vector.data) // 4)
        raise InvalidInput("there are no examples; give some, or vectors with labels, or records of a collection")

    def encoder(self, place: Place) -> Encoder:
        """What embeds into a space.

        Raises:
            InvalidInput: nothing does.
            NotFound: it is gone.
            SpaceMismatch: it has changed.
        """
        if not place.encoder:
            raise InvalidInput("the head has no encoder, so texts and images mean nothing to it; send vectors instead")
        encoder = self._registry.get(place.encoder)
        space = place.space
        if encoder.manifest.space(space.layer, space.dimensions, space.normalize) != space:
            raise SpaceMismatch(
                f"the head was trained with encoder {place.encoder!r} of fingerprint {place.space.fingerprint[:12]}; "
                f"it now has {encoder.fingerprint[:12]}; add the earlier encoder again, or train the head anew"
            )
        return encoder

    @property
    def max_pixels(self) -> int:
        """The most pixels of an image, width times height."""
        return self._registry.max_pixels

    def source(self, examples: pb.Examples) -> tuple[Collection, int]:
        """The collection that examples name, and the slot of the vector name in it.

        Raises:
            InvalidInput: none is named.
            NotFound: there is no such collection or vector name.
        """
        name = examples.records.collection if examples.HasField("records") else examples.collection
        if not name:
            raise InvalidInput("examples name records and no collection; say which collection they are in")
        collection = self._catalogue.get(convert.resource_id(name, "collections"))
        return collection, collection.config.slot(examples.records.vector_name)

    def _unnamed(self, contents: set[str]) -> InvalidInput:
        """Says which encoders there are for texts or images."""
        manifests = [self._registry.get(name).manifest for name in self._registry.names()]
        known = ", ".join(each.name for each in manifests if each.modality in contents) or "none yet, add one"
        kinds = " and ".join(f"{kind}s" for kind in sorted(contents))
        return InvalidInput(
            f"examples hold {kinds}, and no encoder is named; name one that takes {kinds} (encoder, or --encoder "
            f"on the command line); this server has: {known}"
        )

    def known(self, space: EmbeddingSpace) -> Place:
        """A space, with the encoder that embeds into it if this server has it."""
        names = self._registry.names()
        encoder = next((name for name in names if self._registry.get(name).fingerprint == space.fingerprint), "")
        return Place(encoder, space)


def _plain(dimensions: int) -> Place:
    if dimensions < 1:
        raise InvalidInput("the vectors of the examples have no values; send vectors of one dimension or more")
    return Place("", EmbeddingSpace.plain(dimensions))
