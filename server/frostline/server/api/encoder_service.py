"""Encoders over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert
from frostline.server.api.additions import Additions
from frostline.server.api.calls import Context, deadline_of, metadata_of
from frostline.server.api.inputs import Source, Vectors, Waiting, embed, source_of
from frostline.server.api.pages import Page
from frostline.server.api.resources import check_message, encoder_message
from frostline.server.api.status import item_error
from frostline.server.api.streams import Turn, pipelined
from frostline.server.batching.batcher import Batcher
from frostline.server.collections.catalogue import Catalogue
from frostline.server.encoders.bundle import Manifest
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import InUse, NotFound
from frostline.server.heads.store import Heads
from frostline.server.security.administrators import Administrators
from frostline.v1 import encoder_service_pb2 as pb
from frostline.v1.embedding_pb2 import Dtype, Input, Vector
from frostline.v1.encoder_service_pb2_grpc import EncoderServiceServicer
from frostline.wire import tensors

MOST_INPUTS = 10_000


class EncoderService(EncoderServiceServicer):
    """Lists, runs and administers encoders; each method is described in `encoder_service.proto`.

    Args:
        registry: the encoders.
        catalogue: the collections, asked whether one uses an encoder.
        heads: the heads, likewise.
        batcher: runs encoders.
        additions: adds encoders.
        administrators: who may add, verify and delete.
        encoders_in_use: held while an encoder is deleted, and while a collection begins to use one.
        closing: set when the server stops.
    """

    def __init__(
        self,
        registry: Registry,
        catalogue: Catalogue,
        heads: Heads,
        batcher: Batcher,
        additions: Additions,
        administrators: Administrators,
        encoders_in_use: asyncio.Lock,
        closing: asyncio.Event,
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._heads = heads
        self._batcher = batcher
        self._additions = additions
        self._administrators = administrators
        self._encoders_in_use = encoders_in_use
        self._closing = closing

    async def ListEncoders(self, request: pb.ListEncodersRequest, context: Context) -> pb.ListEncodersResponse:
        page = Page(request, start="")
        names = [name for name in self._registry.names() if name >= str(page.start)]
        shown, more = page.cut(names, str)
        encoders = await asyncio.to_thread(self._existing, shown)
        return pb.ListEncodersResponse(encoders=encoders, next_page_token=more)

    async def GetEncoder(self, request: pb.GetEncoderRequest, context: Context) -> pb.Encoder:
        return await asyncio.to_thread(self._describe, convert.resource_id(request.name, "encoders"))

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        return await self._embed(request, Waiting(deadline_of(context)))

    async def EmbedStream(
        self, request_iterator: AsyncIterator[pb.EmbedRequest], context: Context
    ) -> AsyncIterator[pb.EmbedResponse]:
        waiting = Waiting(deadline_of(context), patient=True)

        async def answer(request: pb.EmbedRequest, turn: Turn) -> pb.EmbedResponse:
            return await self._embed(request, waiting)

        async for response in pipelined(request_iterator, answer, self._closing):
            yield response

    async def AddEncoder(
        self, request_iterator: AsyncIterator[pb.AddEncoderRequest], context: Context
    ) -> AsyncIterator[pb.AddEncoderResponse]:
        self._admit(context)
        async for progress in self._additions.add(request_iterator):
            yield progress

    async def VerifyEncoder(self, request: pb.VerifyEncoderRequest, context: Context) -> pb.VerifyEncoderResponse:
        self._admit(context)
        name = convert.resource_id(request.name, "encoders")
        checks = await asyncio.to_thread(self._registry.verify, name)
        return pb.VerifyEncoderResponse(checks=[check_message(check) for check in checks])

    async def DeleteEncoder(self, request: pb.DeleteEncoderRequest, context: Context) -> pb.DeleteEncoderResponse:
        self._admit(context)
        name = convert.resource_id(request.name, "encoders")
        async with self._encoders_in_use:
            configs = [each.config for each in self._catalogue.list()]
            users = [each.id for each in configs if any(field.encoder == name for field in each.vectors)]
            if users:
                raise InUse(f"encoder {name!r} is used by collection {users[0]!r}; delete its collections first")
            if heads := [head.name for head in self._heads.list() if head.uses(name)]:
                raise InUse(f"encoder {name!r} is used by head {heads[0]!r}; delete its heads first")
            await asyncio.to_thread(self._registry.delete, name)
        return pb.DeleteEncoderResponse()

    def _admit(self, context: Context) -> None:
        metadata = metadata_of(context)
        forwarded = not metadata.keys().isdisjoint(("x-forwarded-for", "forwarded"))
        self._administrators.admit(context.peer(), metadata.get("authorization", ""), forwarded=forwarded)

    def _existing(self, names: Sequence[str]) -> list[pb.Encoder]:
        encoders: list[pb.Encoder] = []
        for name in names:
            with suppress(NotFound):  # deleted meanwhile
                encoders.append(self._describe(name))
        return encoders

    def _describe(self, name: str) -> pb.Encoder:
        return encoder_message(self._registry.get(name), self._registry.size_bytes(name))

    async def _embed(self, request: pb.EmbedRequest, waiting: Waiting) -> pb.EmbedResponse:
        convert.at_most(len(request.inputs), MOST_INPUTS, "inputs")
        encoder = self._registry.get(convert.resource_id(request.encoder, "encoders"))
        options, manifest = request.options, encoder.manifest
        dtype = convert.dtype(options.dtype)
        normalize = options.normalize if options.HasField("normalize") else None
        space = manifest.space(options.layer, options.dimensions, normalize)
        vectors = await embed(
            self._batcher,
            encoder,
            await asyncio.to_thread(_sources, request.inputs, manifest, space),
            space,
            prefix=convert.prompt(options.prompt, manifest.prompts),
            truncate=convert.truncate(options.truncate),
            waiting=waiting,
        )
        return await asyncio.to_thread(_response, vectors, space, dtype)


def _response(vectors: Vectors, space: EmbeddingSpace, dtype: Dtype.ValueType) -> pb.EmbedResponse:
    return pb.EmbedResponse(
        embeddings=tensors.encode(vectors.rows, dtype),
        errors=[item_error(index, error) for index, error in sorted(vectors.errors.items())],
        space=convert.space_message(space),
        token_counts=vectors.token_counts,
        truncated=vectors.truncated,
        timings=vectors.timings,
    )


def _sources(inputs: Iterable[Input], manifest: Manifest, space: EmbeddingSpace) -> list[Source]:
    return [_source(each, manifest, space) for each in inputs]


def _source(each: Input, manifest: Manifest, space: EmbeddingSpace) -> Source:
    def vector(given: Vector) -> NDArray[np.float32]:
        whole = replace(space, dimensions=manifest.layer(space.layer).dimensions)
        if given.HasField("space"):
            whole = replace(whole, normalize=given.space.normalize)
        return convert.vector(given, whole, f"encoder {manifest.name!r}")

    return source_of(each, vector)
