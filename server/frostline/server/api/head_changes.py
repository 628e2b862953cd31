"""Trains, updates and merges heads: checks what is asked for, begins a version, and goes on without the caller."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.api.convert import resource_id
from frostline.server.api.head_examples import MAX_DESCRIPTION, ExampleReader, Read
from frostline.server.api.head_messages import training_options
from frostline.server.api.head_places import Place, Places
from frostline.server.api.inputs import Waiting
from frostline.server.api.learned_examples import LearnedExamples, expect_contents
from frostline.server.api.merge_parts import expect_each_once, expect_one_space, part_names
from frostline.server.api.trainings import Trainings
from frostline.server.collections.validation import check_request_id
from frostline.server.errors import FrostlineError, InvalidInput, NotFound, ShuttingDown
from frostline.server.heads import alike, artifact, examples, fitting
from frostline.server.heads.fitted import Task
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.manifest import Manifest
from frostline.server.heads.store import Heads
from frostline.server.heads.truths import containing
from frostline.server.heads.versions import Asked, HeadConfig, Version
from frostline.server.heads.workshop import Workshop
from frostline.server.report import Report
from frostline.v1 import head_service_pb2 as pb

MOST_PARTS = 100

_ANSWERS = {Task.LABELS: "several labels", Task.VALUE: "numbers"}

Work = Callable[[Version, Report], Coroutine[Any, Any, None]]
"""Makes a version that was begun."""

_log = logging.getLogger(__name__)


class HeadChanges:
    """Begins versions of heads.

    Args:
        heads: the heads.
        workshop: makes them.
        places: where they may live.
        reader: reads examples.
        trainings: runs what takes long.
        encoders_in_use: held while a head begins to use an encoder, and while one is deleted.
    """

    def __init__(
        self,
        heads: Heads,
        workshop: Workshop,
        places: Places,
        reader: ExampleReader,
        trainings: Trainings,
        encoders_in_use: asyncio.Lock,
    ) -> None:
        self._heads = heads
        self._workshop = workshop
        self._places = places
        self._reader = reader
        self._learned = LearnedExamples(places, reader)
        self._trainings = trainings
        self._encoders_in_use = encoders_in_use

    async def create(self, request: pb.CreateHeadRequest) -> str:
        """Begins to train a head from examples; returns its name.

        Raises:
            InvalidInput: the request or an example is not right; says which.
            NotFound: an encoder, a collection or a record is missing.
            SpaceMismatch: an example lives elsewhere.
            InUse: the head is being trained.
            Overloaded: too many heads are.
        """
        name, asked = request.head_id, await asyncio.to_thread(_asked, request)
        if self._heads.answers(name, asked):
            return name
        self._heads.check_free(name)
        self._trainings.expect_room()
        _check_description(request.description)
        options = training_options(request.options)
        fitting.check_options(options)
        place = self._places.of(request.examples, request.encoder, request.layer)
        target = await asyncio.to_thread(self._reader.target, request, place)
        if target is not None and options.task is not Task.CLASS:
            raise InvalidInput(
                f"only heads of classes adapt, and this one answers {_ANSWERS[options.task]}; leave it out"
            )
        read = await self._reader.read(request.examples, place, options.task)
        expect_contents(read, options)
        descriptions = dict(request.options.descriptions)
        if descriptions and options.task is not Task.CLASS:
            raise InvalidInput(
                f"descriptions are of classes, and this head answers {_ANSWERS[options.task]}; leave them out"
            )
        self._reader.describe(read, descriptions, place)
        await asyncio.to_thread(examples.check_labels, read.labels, task=options.task)
        config = HeadConfig(
            description=request.description,
            encoder=place.encoder,
            space=place.space,
            options=options,
            descriptions=descriptions,
        )

        async def train(version: Version, report: Report) -> None:
            labelled, trained = await self._learned.labelled(read, place, options, report)
            await asyncio.to_thread(self._heads.keep_examples, name, version, labelled, target)
            await self._trainings.in_turn(lambda: self._workshop.train(name, version, trained), trained)

        return await self._begin(name, config, asked, train)

    async def update(self, name: str, request: pb.UpdateHeadRequest, waiting: Waiting) -> str:
        """Begins to train a version with other examples; returns the head's name.

        Raises:
            InvalidInput: an example is not right, or was to be removed and is not there; says which.
            NotFound: the head, or what an example names, is missing.
            InUse: the head is being trained.
            Conflict: it was trained anew meanwhile.
            Overloaded: too many heads are being trained.
        """
        asked = await asyncio.to_thread(_asked, request)
        head = self._heads.get(name)
        if head.answers(asked):
            return name
        earlier = head.ready_version()
        head.expect_idle()
        self._trainings.expect_room()
        place, options = Place(earlier.config.encoder, earlier.config.space), earlier.config.options
        task = options.task
        before = await asyncio.to_thread(self._kept_examples, name, earlier)
        removed = await self._removed(before, request, place, task, waiting)
        read = await self._reader.read(request.added, place, task) if request.HasField("added") else Read()
        if not (read.rows or len(removed)):
            raise InvalidInput("nothing is added or removed; give examples, or classes to remove")
        if read.rows:
            await asyncio.to_thread(examples.check_labels, read.labels, allow_one_class=True, task=task)

        async def update(version: Version, report: Report) -> None:
            added, trained, more = None, report, 0
            if read.rows:
                added, trained = await self._learned.labelled(read, place, options, report)
                more = len(added.targets)
            after = await asyncio.to_thread(examples.changed, before, removed, added, task)
            await asyncio.to_thread(self._heads.keep_examples, name, version, after)
            await self._trainings.in_turn(
                lambda: self._workshop.update(name, version, earlier, removed, more, trained), trained
            )

        return await self._begin(name, earlier.config, asked, update, earlier)

    async def merge(self, request: pb.MergeHeadsRequest) -> str:
        """Begins to merge heads; returns the name of the new one.

        Raises:
            InvalidInput: there are too few, an archive is none, or they do not go together.
            SpaceMismatch: they live in different spaces.
            NotFound: one of them is missing.
            InUse: the head is being trained.
            Overloaded: too many heads are.
        """
        name, asked = request.head_id, await asyncio.to_thread(_asked, request)
        if self._heads.answers(name, asked):
            return name
        self._heads.check_free(name)
        self._trainings.expect_room()
        _check_description(request.description)
        if not 2 <= len(request.parts) <= MOST_PARTS:
            raise InvalidInput(f"heads to merge: {len(request.parts)}; name 2 to {MOST_PARTS}")
        expect_each_once(request.parts)
        configs, manifests, parts = await asyncio.to_thread(self._parts, request.parts)
        expect_one_space(request.parts, configs)
        names = part_names(request.parts)
        alike.check_alike(manifests, names)
        alike.check_copies([config.options.augment for config in configs], names)
        place = self._places.known(configs[0].space)
        config = HeadConfig(
            description=request.description,
            encoder=place.encoder,
            space=place.space,
            options=configs[0].options,
        )

        async def merge(version: Version, report: Report) -> None:
            await self._trainings.in_turn(lambda: self._workshop.merge(name, version, parts, report), report)

        return await self._begin(name, config, asked, merge)

    async def _begin(
        self, name: str, config: HeadConfig, asked: Asked, work: Work, after: Version | None = None
    ) -> str:
        async def begin() -> None:
            async with self._encoders_in_use:
                if self._heads.answers(name, asked):  # it was sent again while this was read
                    return
                if config.encoder:
                    self._places.encoder(Place(config.encoder, config.space))
                head = await asyncio.to_thread(self._heads.begin, name, config, after, asked)
            version = head.versions[0]
            self._trainings.start(version, lambda report: self._made(name, version, work, report))

        await self._trainings.to_the_end(begin())  # else a version might stay that nobody trains
        return name

    async def _made(self, name: str, version: Version, work: Work, report: Report) -> None:
        try:
            await work(version, report)
            return
        except ShuttingDown:  # the next start says that it was interrupted
            return
        except FrostlineError as error:
            reason = str(error)
        except Exception as error:  # whatever it is, the head must not stay in training
            _log.exception("version %d of head %r was not trained", version.number, name)
            reason = f"training failed ({type(error).__name__}); the log of the server says more"
        with suppress(NotFound):  # the head was deleted meanwhile
            await asyncio.to_thread(self._heads.fail, name, version, reason)

    def _kept_examples(self, name: str, version: Version) -> Labelled:
        folder = self._heads.folders.examples(name, version)
        if folder is None:
            raise InvalidInput(
                f"head {name!r} was merged of others and has no examples to go by; update one of those and merge again"
            )
        return examples.load(folder)

    async def _removed(
        self, before: Labelled, request: pb.UpdateHeadRequest, place: Place, task: Task, waiting: Waiting
    ) -> NDArray[np.int64]:
        """Rows of the examples so far that are to go."""
        rows = await asyncio.to_thread(examples.find_classes, before, _classes(before, request, task))
        if request.HasField("removed"):
            read = await self._reader.read(request.removed, place, task)
            features = await self._reader.embed(read, place, lambda step, done: None, waiting)
            rows = np.union1d(rows, await asyncio.to_thread(examples.find, before, features, read.labels))
        return rows

    def _parts(self, parts: Sequence[pb.MergePart]) -> tuple[list[HeadConfig], list[Manifest], list[Path | bytes]]:
        """What was asked of heads, what they are, and where: their folders, or their archives as they came."""
        configs: list[HeadConfig] = []
        manifests: list[Manifest] = []
        content: list[Path | bytes] = []
        for place, part in enumerate(parts):
            match part.WhichOneof("kind"):
                case "head":
                    name = resource_id(part.head, "heads")
                    version = self._heads.get(name).ready_version()
                    configs.append(version.config)
                    folder = self._heads.folders.artifact(name, version)
                    manifests.append(self._heads.manifest(version) or artifact.read_manifest(folder))
                    content.append(folder)
                case "archive":
                    try:
                        config, manifest = artifact.packed(part.archive)
                    except InvalidInput as error:
                        raise InvalidInput(f"part {place}: {error}") from error
                    configs.append(config)
                    manifests.append(manifest)
                    content.append(part.archive)
                case _:
                    raise InvalidInput(f"part {place} names neither a head nor an archive")
        return configs, manifests, content


def _asked(request: pb.CreateHeadRequest | pb.UpdateHeadRequest | pb.MergeHeadsRequest) -> Asked:
    if not request.request_id:
        return Asked()
    check_request_id(request.request_id)
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    return Asked(request_id=request.request_id, digest=digest)


def _classes(before: Labelled, request: pb.UpdateHeadRequest, task: Task) -> list[str]:
    """The classes of examples that are to go; of several labels, all sets with one that is to go."""
    if request.removed_classes and task is Task.VALUE:
        raise InvalidInput("the head answers numbers and has no classes to remove; name examples to remove")
    removed = list(request.removed_classes)
    return containing(before, removed) if task is Task.LABELS else removed


def _check_description(text: str) -> None:
    if len(text) > MAX_DESCRIPTION:
        raise InvalidInput(f"the description has {len(text)} characters; use at most {MAX_DESCRIPTION}")
