"""Operations on encoders, written once for both clients; documented where they are called, in `Client`."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.client._batches import cut, each
from frostline.client._caller import Caller, pages
from frostline.client._from_wire import (
    check_of,
    encoder_of,
    errors_of,
    rows_of,
    space_of,
    timings_of,
)
from frostline.client._names import STATES, name_of
from frostline.client._to_wire import embed_options, encoder_path, input_message, not_alone, unicode
from frostline.client._transport import Deadline
from frostline.client._upload import Upload
from frostline.client.errors import Internal, InvalidInput
from frostline.client.resources import Check, Encoder
from frostline.client.types import Dtype, Embeddings, Input, ItemError, Timings, Truncate
from frostline.v1 import encoder_service_pb2 as v1
from frostline.v1.embedding_pb2 import Input as InputMessage

Progress = Callable[[str, int, int], None]
"""Called with the step (`receiving`, `building`, `verifying`, `ready`), the bytes received and all bytes."""


class EncoderCalls(Caller):
    """Lists, runs and administers encoders."""

    async def embed(
        self,
        inputs: Iterable[Input] | AsyncIterable[Input],
        encoder: str,
        *,
        prompt: str | None = None,
        prefix: str | None = None,
        dimensions: int = 0,
        normalize: bool | None = None,
        dtype: Dtype = "float32",
        truncate: Truncate = "right",
        layer: str = "",
        batch_size: int = 64,
        timeout_seconds: float | None = None,
    ) -> Embeddings:
        """Embeds texts, images or vectors; see `Client.embed`."""
        not_alone(inputs)
        options = embed_options(prompt, prefix, dimensions, normalize, dtype, truncate, layer)

        async def requests() -> AsyncIterator[v1.EmbedRequest]:
            messages = (input_message(content) async for content in each(inputs))
            async for batch in cut(messages, batch_size, InputMessage.ByteSize):
                yield v1.EmbedRequest(encoder=encoder_path(encoder), inputs=batch, options=options)

        gathered = _Gathered()
        stubs = self._transport.encoders
        async with aclosing(
            self._call_or_stream(stubs.Embed, stubs.EmbedStream, requests(), timeout_seconds)
        ) as answers:
            async for request, answer in answers:
                gathered.add(answer, len(request.inputs))
        return gathered.embeddings()

    async def list_encoders(self, *, timeout_seconds: float | None = None) -> list[Encoder]:
        """Lists the encoders; see `Client.list_encoders`."""
        found: list[Encoder] = []
        async for page in pages(
            lambda token: self._call(
                self._transport.encoders.ListEncoders, v1.ListEncodersRequest(page_token=token), timeout_seconds
            )
        ):
            found += map(encoder_of, page.encoders)
        return found

    async def get_encoder(self, name: str, *, timeout_seconds: float | None = None) -> Encoder:
        """Gets one encoder; see `Client.get_encoder`."""
        request = v1.GetEncoderRequest(name=encoder_path(name))
        return encoder_of(await self._call(self._transport.encoders.GetEncoder, request, timeout_seconds))

    async def add_encoder(
        self,
        name: str,
        folder: str | Path | None = None,
        hub: str | None = None,
        progress: Progress | None = None,
        *,
        timeout_seconds: float = 600.0,
    ) -> Encoder:
        """Adds an encoder; see `Client.add_encoder`."""
        if (folder is None) == (hub is None):
            raise InvalidInput("name either the folder of an encoder's files or a hub repository")
        upload = None if folder is None else Upload(unicode(name), Path(folder))
        total_bytes = upload.total_bytes if upload else 0
        spec = v1.AddEncoderRequest(spec=v1.AddEncoderSpec(encoder_id=unicode(name), hub_id=unicode(hub or "")))
        self._refuse_closed()
        stream = self._transport.stream(
            self._transport.encoders.AddEncoder, upload.messages() if upload else iter([spec])
        )
        last = v1.AddEncoderResponse()
        received = 0
        try:
            while report := await stream.receive(Deadline(timeout_seconds)):
                last, received = report, max(received, report.received_bytes)
                if progress:
                    progress(_state(report), received, total_bytes)
        finally:
            stream.close()
            if upload and upload.failure:
                raise InvalidInput(f"cannot read {upload.failure.filename}: {upload.failure.strerror}")
        if not last.HasField("encoder"):
            raise Internal(f"the server stopped adding encoder {name!r} in state {_state(last)!r} without a reason")
        return encoder_of(last.encoder, last.checks)

    async def verify_encoder(self, name: str, *, timeout_seconds: float | None = None) -> list[Check]:
        """Checks an encoder; see `Client.verify_encoder`."""
        request = v1.VerifyEncoderRequest(name=encoder_path(name))
        answer = await self._call(self._transport.encoders.VerifyEncoder, request, timeout_seconds)
        return [check_of(check) for check in answer.checks]

    async def delete_encoder(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes an encoder; see `Client.delete_encoder`."""
        request = v1.DeleteEncoderRequest(name=encoder_path(name))
        await self._call(self._transport.encoders.DeleteEncoder, request, timeout_seconds)


def _state(report: v1.AddEncoderResponse) -> str:
    return name_of(STATES, report.state)


class _Gathered:
    """Answers of several batches become the answer of one call."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float32]] = []
        self._errors: dict[int, ItemError] = {}
        self._token_counts: list[int] = []
        self._truncated: list[bool] = []
        self._timings = Timings()
        self._last = v1.EmbedResponse()

    def add(self, answer: v1.EmbedResponse, inputs: int) -> None:
        if self._rows and answer.space != self._last.space:
            raise Internal("the encoder was replaced while it embedded; embed again")
        self._errors.update(errors_of(answer.errors, offset=len(self._token_counts)))
        self._rows.append(rows_of(answer.embeddings, inputs))
        self._token_counts += answer.token_counts
        self._truncated += answer.truncated
        self._timings += timings_of(answer.timings)
        self._last = answer

    def embeddings(self) -> Embeddings:
        return Embeddings(
            vectors=np.concatenate(self._rows),
            errors=self._errors,
            space=space_of(self._last.space),
            token_counts=self._token_counts,
            truncated=self._truncated,
            timings=self._timings,
        )
