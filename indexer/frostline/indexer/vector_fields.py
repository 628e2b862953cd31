"""Vector fields of a collection, for making another one like it."""

from frostline.client import VectorField


def like(field: VectorField) -> VectorField:
    """A field to make a collection with, from one that the server described."""
    if field.encoder:
        return field
    # The server describes plain vectors with values that only an encoder may be made with.
    return VectorField(dimensions=field.space.dimensions, metric=field.metric)
