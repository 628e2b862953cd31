"""The serving process: puts the rooms together, serves, and stops without losing what it accepted."""

import asyncio
import json
import logging
import os
import signal
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from frostline.server.api.additions import Additions
from frostline.server.api.addresses import client_target, is_socket, listening_address, remove_socket
from frostline.server.api.server import GrpcServer, Rooms
from frostline.server.batching.batcher import Batcher, Limits
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.segments.builder import Builder
from frostline.server.collections.segments.compaction import Compactor
from frostline.server.collections.segments.shaping import Upkeep
from frostline.server.collections.vectors.device import Device
from frostline.server.encoders.encoder import Encoder, Prepared
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.sources import bundled
from frostline.server.encoders.verification import samples
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.server.heads.store import Heads
from frostline.server.heads.trainer import Trainer
from frostline.server.heads.workshop import Workshop
from frostline.server.recommendations.learner import Learner
from frostline.server.recommendations.recommenders import Recommenders
from frostline.server.security.administrators import Administrators, is_loopback
from frostline.server.security.certificates import Certificate, load_certificate
from frostline.server.settings import Settings

_log = logging.getLogger(__name__)

_THREADS = 32
_CLOSING_SECONDS = 15.0  # beyond the grace time, for closing files


class App:
    """A server with everything it needs: an async context manager that serves while it is open.

    Args:
        settings: of the server.

    Attributes:
        target: where clients reach it, `127.0.0.1:50051`; empty before it serves.
    """

    def __init__(self, settings: Settings) -> None:
        self.target = ""
        self._settings = settings
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Opens the data folder, loads the encoders and serves.

        Raises:
            FrostlineError: it cannot serve; one line says why.
        """
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes what was accepted, for the grace time at most, and closes everything."""
        await self._open.aclose()
        _log.info("stopped")

    async def _start(self, stack: AsyncExitStack) -> None:
        settings, folder = self._settings, self._settings.data_dir
        # Threads mostly wait, for a disk or for a segment to be built; those who wait long must not keep others out.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "frostline"))
        _check_writable(folder)
        certificate = _certificate(settings)
        # The catalogue holds the lock on the folder, so it comes before whatever else reads or writes there.
        compactor = Compactor()
        stack.callback(compactor.close)
        catalogue = await asyncio.to_thread(_catalogue, settings, compactor)
        stack.callback(catalogue.close)
        listening_address(settings.host, settings.port)  # before encoders are loaded, which takes a while
        registry = await asyncio.to_thread(_registry, settings)
        stack.callback(registry.close)
        for name in settings.encoders:
            await asyncio.to_thread(_provide, registry, name)
        heads = await asyncio.to_thread(Heads, folder / "heads")
        workshop = Workshop(heads, Trainer(settings.head_threads))
        stack.callback(workshop.close)
        recommenders = Recommenders(Learner(settings.recommendation_threads, settings.max_ease_items))
        stack.callback(recommenders.close)
        batcher = Batcher(
            Limits(
                max_batch_tokens=settings.max_batch_tokens,
                max_batch_inputs=settings.max_batch_inputs,
                max_waiting_tokens=settings.max_waiting_tokens,
                max_waiting_inputs=settings.max_waiting_inputs,
            )
        )
        stack.push_async_callback(batcher.drain)
        additions = Additions(registry, folder / "incoming", settings.max_upload_bytes)
        administrators = Administrators(settings.admin_token.get_secret_value())
        server = GrpcServer(
            Rooms(registry, catalogue, batcher, additions, heads, workshop, recommenders, administrators),
            settings.max_message_bytes,
            settings.max_request_bytes_in_flight,
        )
        port = await server.start(settings.host, settings.port, certificate)
        stack.callback(remove_socket, settings.host)
        stack.push_async_callback(server.stop, settings.grace_seconds)
        await server.ready()
        self.target = client_target(settings.host, port)
        _announce(settings.announcement, self.target)
        stack.callback(settings.announcement.unlink, missing_ok=True)
        _log.info("serving on %s; data in %s; encoders: %s", self.target, folder, ", ".join(registry.names()) or "none")


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; a second one ends the process at once.

    Args:
        settings: of the server.

    Raises:
        FrostlineError: it cannot serve; one line says why.
    """
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            _log.warning("stopped at once; what was acknowledged is on disk")
            _leave(settings)
        _log.info("stopping; another signal stops at once")
        stop.set()
        # Whatever hangs in a thread must not keep the process for ever.
        overdue = threading.Timer(settings.grace_seconds + _CLOSING_SECONDS, _leave, (settings,))
        overdue.daemon = True
        overdue.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    async with App(settings):
        await stop.wait()


def _leave(settings: Settings) -> None:
    settings.announcement.unlink(missing_ok=True)
    os._exit(1)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidInput(f"data_dir {folder} cannot be written: {error.strerror}; choose another folder") from error


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_certificate and settings.tls_key:
        return load_certificate(settings.tls_certificate, settings.tls_key)
    if settings.admin_token.get_secret_value() and not (is_loopback(settings.host) or is_socket(settings.host)):
        _log.warning(
            "admin_token travels unencrypted to %s; set tls_certificate and tls_key, or listen on 127.0.0.1",
            settings.host,
        )
    return None


def _catalogue(settings: Settings, compactor: Compactor) -> Catalogue:
    index_device = Device(settings.index_device, settings.index_device_flat_bytes)
    index_device.check()
    builder = Builder(settings.index_threads)
    upkeep = Upkeep(builder, compactor, settings.max_tail_rows, index_device=index_device)
    return Catalogue(
        settings.data_dir / "collections",
        snapshots=settings.data_dir / "snapshots",
        open_collection=partial(Collection, max_answer_bytes=settings.max_message_bytes, upkeep=upkeep),
    )


def _registry(settings: Settings) -> Registry:
    return Registry(
        settings.data_dir / "encoders",
        device=settings.device,
        threads=settings.threads,
        max_pixels=settings.max_image_pixels,
    )


def _provide(registry: Registry, name: str) -> None:
    """Makes an encoder ready: there, and run once, so that the first caller does not wait for it."""
    try:
        if name not in registry:
            bundled.provide(registry, name, report=lambda step: _log.info("encoder %s: %s", name, step))
        encoder = registry.get(name)
        encoder.run(_prepared_samples(encoder), encoder.manifest.default_layer, encoder.manifest.normalize)
    except FrostlineError as error:
        _log.warning("encoder %s is not available: %s", name, error)


def _prepared_samples(encoder: Encoder) -> list[Prepared]:
    prepared = encoder.prepare(samples(encoder.manifest))
    return [each for each in prepared if isinstance(each, Prepared)]


def _announce(path: Path, target: str) -> None:
    """Says where the server is, all at once: who sees the file can connect."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(json.dumps({"pid": os.getpid(), "target": target}))
    unfinished.replace(path)
