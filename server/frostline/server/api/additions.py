"""Adding encoders: files come in pieces over the wire or from a hub, into a folder of their own, and are then built."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from frostline.server.api.convert import encoder_name
from frostline.server.api.resources import check_message, encoder_message
from frostline.server.api.uploads import Upload, room_for
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.sources import hub
from frostline.server.encoders.verification import Check
from frostline.server.errors import AlreadyExists, InvalidInput
from frostline.v1 import encoder_service_pb2 as pb

_REPORT_EVERY_BYTES = 8 << 20

_STATES = {
    "building": pb.AddEncoderResponse.STATE_BUILDING,
    "verifying": pb.AddEncoderResponse.STATE_VERIFYING,
    "loading": pb.AddEncoderResponse.STATE_VERIFYING,
}


class Additions:
    """Adds encoders that clients send or name.

    Args:
        registry: takes them.
        folder: where files lie until an encoder is built; emptied here.
        max_bytes: the most bytes of an encoder's files.
    """

    def __init__(self, registry: Registry, folder: Path, max_bytes: int) -> None:
        self._registry = registry
        self._folder = folder
        self._max_bytes = max_bytes
        shutil.rmtree(folder, ignore_errors=True)  # left by a server that was killed
        folder.mkdir(parents=True)

    async def add(self, requests: AsyncIterator[pb.AddEncoderRequest]) -> AsyncGenerator[pb.AddEncoderResponse]:
        """Adds one encoder.

        Args:
            requests: its description, then its files in pieces.

        Yields:
            How far the addition has come.

        Raises:
            InvalidInput: the description, a path or the files are not right; nothing is left behind.
            AlreadyExists: the name is taken.
            StorageFull: the disk has no room.
            SourceUnreachable: the hub cannot be reached.
        """
        spec = await _first(requests)
        name = encoder_name(spec.encoder_id)
        if name in self._registry:
            raise AlreadyExists(f"there is an encoder {name!r} already; delete it first, or choose another name")
        with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary) / name  # named like the encoder: it becomes the source in the manifest
            folder.mkdir()
            async for received in self._fetch(spec, folder) if spec.hub_id else self._receive(spec, requests, folder):
                yield pb.AddEncoderResponse(state=pb.AddEncoderResponse.STATE_RECEIVING, received_bytes=received)
            async for progress in self._install(name, folder, spec.hub_id):
                yield progress

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise InvalidInput(
                f"an encoder of {size_bytes} bytes is above the server's limit of {self._max_bytes} bytes "
                "(setting max_upload_bytes)"
            )

    async def _receive(
        self, spec: pb.AddEncoderSpec, requests: AsyncIterator[pb.AddEncoderRequest], folder: Path
    ) -> AsyncGenerator[int]:
        self._check_size(spec.total_bytes)
        room_for(folder, spec.total_bytes)
        yield 0  # the description is accepted: who waits for this sends nothing in vain
        upload = Upload(folder, spec.total_bytes or self._max_bytes)
        reported = 0
        try:
            async for request in requests:
                if request.WhichOneof("kind") != "chunk":
                    raise InvalidInput("only the first message may describe the encoder; the others carry its files")
                await asyncio.to_thread(upload.write, request.chunk.path, request.chunk.data)
                if upload.received_bytes - reported >= _REPORT_EVERY_BYTES:
                    reported = upload.received_bytes
                    yield reported
        finally:
            await asyncio.to_thread(upload.close)
        yield upload.received_bytes

    async def _fetch(self, spec: pb.AddEncoderSpec, folder: Path) -> AsyncGenerator[int]:
        def accept(size_bytes: int) -> None:
            self._check_size(size_bytes)
            room_for(folder, size_bytes)

        yield 0
        fetching = asyncio.create_task(asyncio.to_thread(hub.fetch, spec.hub_id, folder, accept=accept))
        try:
            await asyncio.shield(fetching)
        finally:
            await asyncio.wait((fetching,))  # it writes into the folder, also when the caller has gone
        size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        self._check_size(size_bytes)  # what the hub announced need not be what came
        yield size_bytes

    async def _install(self, name: str, folder: Path, hub_id: str) -> AsyncGenerator[pb.AddEncoderResponse]:
        loop = asyncio.get_running_loop()
        steps: asyncio.Queue[str | None] = asyncio.Queue()

        def install() -> list[Check]:
            try:
                return self._registry.install(name, folder, source=hub_id, report=report)
            finally:
                loop.call_soon_threadsafe(steps.put_nowait, None)

        def report(step: str) -> None:
            loop.call_soon_threadsafe(steps.put_nowait, step)

        installing = asyncio.create_task(asyncio.to_thread(install))
        try:
            while step := await steps.get():
                yield pb.AddEncoderResponse(state=_STATES[step])
            checks = await asyncio.shield(installing)
        finally:
            await asyncio.wait((installing,))  # it reads the folder, also when the caller has gone
        size_bytes = await asyncio.to_thread(self._registry.size_bytes, name)
        yield pb.AddEncoderResponse(
            state=pb.AddEncoderResponse.STATE_READY,
            encoder=encoder_message(self._registry.get(name), size_bytes),
            checks=[check_message(check) for check in checks],
        )


async def _first(requests: AsyncIterator[pb.AddEncoderRequest]) -> pb.AddEncoderSpec:
    async for request in requests:
        if request.WhichOneof("kind") == "spec":
            return request.spec
        break
    raise InvalidInput("the first message must describe the encoder (spec); its files follow")
