"""From examples that were read to what a head learns from: their embeddings, and those of altered copies of them."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from frostline.server.api.convert import at_most
from frostline.server.api.head_examples import MOST_EXAMPLES, ExampleReader, Read
from frostline.server.api.head_places import Place, Places
from frostline.server.api.inputs import Waiting
from frostline.server.encoders.encoder import Content
from frostline.server.errors import InvalidInput
from frostline.server.heads import augmentation, examples
from frostline.server.heads.fitted import TrainingOptions
from frostline.server.heads.labelled import Labelled
from frostline.server.report import Report, part_of

_TOGETHER = 64  # so many copies wait in memory


def expect_contents(read: Read, options: TrainingOptions) -> None:
    """Refuses copies that nothing can be made of, and too many of them.

    Raises:
        InvalidInput: says which.
    """
    if options.augment and not read.has_contents:
        raise InvalidInput(
            "augment alters texts and images, and all examples are vectors or records: give texts or images, or leave "
            "augment out"
        )
    at_most(len(read.rows) * (1 + options.augment), MOST_EXAMPLES, "examples and altered copies")


class LearnedExamples:
    """Embeds the examples that heads learn from.

    Args:
        places: where they may live.
        reader: embeds them.
    """

    def __init__(self, places: Places, reader: ExampleReader) -> None:
        self._places = places
        self._reader = reader

    async def labelled(
        self, read: Read, place: Place, options: TrainingOptions, report: Report
    ) -> tuple[Labelled, Report]:
        """Embeds examples, and as many copies of each text and image as the options say.

        Args:
            read: n examples.
            place: where they live.
            options: how the head is trained.
            report: told how far it is.

        Returns:
            The examples, then the copies; and what tells how far it is from then on.

        Raises:
            InvalidInput: an input cannot be read; says which.
            Overloaded, ShuttingDown: see `Batcher.embed`.
        """
        share = read.embedding_share
        of_examples = share / (1 + options.augment)
        features = await self._reader.embed(read, place, part_of(report, 0, of_examples), Waiting(patient=True))
        # Images that are too large or broken were refused by now, as the encoder refuses any.
        copies, of = await self._copies(read, place, options.augment, part_of(report, of_examples, share))
        described = np.zeros(len(features) + len(copies), np.bool_)
        described[len(features) - read.described : len(features)] = True
        labelled = await asyncio.to_thread(
            examples.check,
            np.concatenate([features, copies]) if of else features,
            read.labels + [read.labels[row] for row in of],
            described,
            np.concatenate([np.arange(len(features)), np.array(of, np.int64)]),
            allow_one_class=True,
            task=options.task,
        )
        return labelled, part_of(report, share, 1)

    async def _copies(
        self, read: Read, place: Place, count: int, report: Report
    ) -> tuple[NDArray[np.float32], list[int]]:
        """The embeddings of copies, float32 of shape (m, d), and the example that each is of."""
        sources = read.rows[: len(read.rows) - read.described] if count else []
        rows = [row for row, source in enumerate(sources) if not isinstance(source, np.ndarray)]
        parts, of = [np.empty((0, place.space.dimensions), np.float32)], list[int]()
        step = max(1, _TOGETHER // max(1, count))
        for start in range(0, len(rows), step):
            report("embedding", start / len(rows))
            made = await asyncio.to_thread(self._altered, read, rows[start : start + step], place, count)
            contents: list[NDArray[np.float32] | Content] = [content for _, content in made]
            parts.append(
                await self._reader.embed(Read(contents), place, lambda _step, _done: None, Waiting(patient=True))
            )
            of += [row for row, _ in made]
        return np.concatenate(parts), of

    def _altered(self, read: Read, rows: list[int], place: Place, count: int) -> list[tuple[int, Content]]:
        how = self._places.encoder(place).manifest.preprocessing
        made: list[tuple[int, Content]] = []
        for row in rows:
            content = read.rows[row]
            if not isinstance(content, np.ndarray):
                copies = augmentation.copies(content, count, how, self._places.max_pixels)
                made += [(row, copy) for copy in copies]
        return made
