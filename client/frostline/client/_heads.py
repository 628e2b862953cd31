"""Operations on heads, written once for both clients; documented where they are called, in `Client`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from frostline.client._caller import pages
from frostline.client._download import whole_file
from frostline.client._from_wire_heads import head_of
from frostline.client._head_examples import ExampleCalls, Given, HeadProgress
from frostline.client._names import EXPORT_FORMATS, number_of
from frostline.client._to_wire import encoder_path, head_path, matrix, not_alone, space_message, unicode, whole
from frostline.client._to_wire_heads import options_message, part_message
from frostline.client._transport import Deadline
from frostline.client._truths import task_of
from frostline.client._watch import Watch
from frostline.client.errors import HeadFailed, Internal, Unavailable
from frostline.client.heads import Example, ExportFormat, FeatureScaling, Head, HeadTask, LabelledRecords, Recipe
from frostline.v1 import head_service_pb2 as v1
from frostline.wire import tensors

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from frostline.client.types import Embeddings, EmbeddingSpace

_REPORT_SECONDS = 600.0  # the longest time without a report of the server, where the caller names none


class HeadCalls(ExampleCalls):
    """Trains, lists, exports and deletes heads."""

    async def train_head(
        self,
        name: str,
        examples: Iterable[Example] | AsyncIterable[Example] = (),
        *,
        encoder: str = "",
        vectors: ArrayLike | Embeddings | None = None,
        labels: Sequence[str] | Sequence[Sequence[str]] | None = None,
        values: ArrayLike | None = None,
        records: LabelledRecords | None = None,
        collection: str = "",
        recipe: Recipe = "auto",
        strength: float | None = None,
        balance_classes: bool = False,
        descriptions: Mapping[str, str] | None = None,
        abstain_error: float = 0.0,
        coverage: float = 0.9,
        task: HeadTask | None = None,
        layer: str = "",
        scaling: FeatureScaling = "none",
        whiten: bool = False,
        augment: int = 0,
        adapt_to: ArrayLike | Embeddings | None = None,
        description: str = "",
        wait: bool = True,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> Head:
        """Trains a head; see `Client.train_head`."""
        given = Given(
            examples=examples,
            vectors=vectors,
            labels=labels,
            values=values,
            records=records,
            collection=collection,
            layer=layer,
        )
        request = v1.CreateHeadRequest(
            head_id=unicode(name),
            encoder=encoder_path(encoder) if encoder else "",
            options=options_message(
                recipe, strength, balance_classes, descriptions, abstain_error, coverage, scaling, whiten, augment
            ),
            description=unicode(description),
            request_id=uuid.uuid4().hex,
            layer=unicode(layer),
        )
        if adapt_to is not None:
            rows, space = matrix(adapt_to)
            request.target.CopyFrom(tensors.encode(rows))
            if space:
                request.target_space.CopyFrom(space_message(space))

        async def embedder() -> tuple[str, EmbeddingSpace | None]:
            return "" if augment else encoder, None  # what is altered must arrive as it is

        request.examples.CopyFrom(await self._examples(given, embedder, progress))
        request.options.task = task_of(request.examples, task)
        begun = await self._call(self._transport.heads.CreateHead, request, timeout_seconds)
        return await self._trained(begun, wait, progress, timeout_seconds)

    async def update_head(
        self,
        name: str,
        added: Iterable[Example] | AsyncIterable[Example] = (),
        removed: Iterable[Example] | AsyncIterable[Example] = (),
        removed_classes: Sequence[str] = (),
        *,
        vectors: ArrayLike | Embeddings | None = None,
        labels: Sequence[str] | Sequence[Sequence[str]] | None = None,
        values: ArrayLike | None = None,
        records: LabelledRecords | None = None,
        collection: str = "",
        wait: bool = True,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> Head:
        """Trains a new version of a head; see `Client.update_head`."""
        not_alone(removed_classes)
        more = Given(
            examples=added, vectors=vectors, labels=labels, values=values, records=records, collection=collection
        )
        less = Given(examples=removed, collection=collection)
        request = v1.UpdateHeadRequest(
            name=head_path(name),
            removed_classes=[unicode(one) for one in removed_classes],
            request_id=uuid.uuid4().hex,
        )

        async def of_added() -> tuple[str, EmbeddingSpace | None]:
            return await self._embedder(name, timeout_seconds, learned_from=True)

        async def of_removed() -> tuple[str, EmbeddingSpace | None]:
            return await self._embedder(name, timeout_seconds)

        request.added.CopyFrom(await self._examples(more, of_added, progress))
        request.removed.CopyFrom(await self._examples(less, of_removed, progress))
        begun = await self._call(self._transport.heads.UpdateHead, request, timeout_seconds)
        return await self._trained(begun, wait, progress, timeout_seconds)

    async def merge_heads(
        self,
        name: str,
        parts: Sequence[str | bytes | Path],
        *,
        description: str = "",
        wait: bool = True,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> Head:
        """Makes one head of several; see `Client.merge_heads`."""
        not_alone(parts)
        request = v1.MergeHeadsRequest(
            head_id=unicode(name),
            parts=map(part_message, parts),
            description=unicode(description),
            request_id=uuid.uuid4().hex,
        )
        begun = await self._call(self._transport.heads.MergeHeads, request, timeout_seconds)
        return await self._trained(begun, wait, progress, timeout_seconds)

    async def cancel_head(self, name: str, *, timeout_seconds: float | None = None) -> Head:
        """Breaks off a training; see `Client.cancel_head`."""
        request = v1.CancelHeadRequest(name=head_path(name))
        return head_of(await self._call(self._transport.heads.CancelHead, request, timeout_seconds))

    async def get_head(self, name: str, *, timeout_seconds: float | None = None) -> Head:
        """Gets one head; see `Client.get_head`."""
        request = v1.GetHeadRequest(name=head_path(name))
        return head_of(await self._call(self._transport.heads.GetHead, request, timeout_seconds))

    async def list_heads(self, *, timeout_seconds: float | None = None) -> list[Head]:
        """Lists the heads; see `Client.list_heads`."""
        found: list[Head] = []
        async for page in pages(
            lambda token: self._call(
                self._transport.heads.ListHeads, v1.ListHeadsRequest(page_token=token), timeout_seconds
            )
        ):
            found += map(head_of, page.heads)
        return found

    async def rollback_head(self, name: str, version: int = 0, *, timeout_seconds: float | None = None) -> Head:
        """Lets another version serve; see `Client.rollback_head`."""
        request = v1.RollbackHeadRequest(name=head_path(name), version=whole(version, "version"))
        return head_of(await self._call(self._transport.heads.RollbackHead, request, timeout_seconds))

    async def delete_head(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a head; see `Client.delete_head`."""
        request = v1.DeleteHeadRequest(name=head_path(name))
        await self._call(self._transport.heads.DeleteHead, request, timeout_seconds)

    async def export_head(
        self,
        name: str,
        path: str | Path,
        format: ExportFormat = "archive",
        *,
        version: int = 0,
        timeout_seconds: float = 600.0,
    ) -> Path:
        """Writes a head to a file; see `Client.export_head`."""
        request = v1.ExportHeadRequest(
            name=head_path(name),
            version=whole(version, "version"),
            format=number_of(EXPORT_FORMATS, format, "format"),
        )
        self._refuse_closed()
        target = Path(path)
        with whole_file(target) as file:
            stream = self._transport.watch(self._transport.heads.ExportHead, request)
            try:
                while chunk := await stream.receive(Deadline(timeout_seconds)):
                    file.write(chunk.data)
            finally:
                stream.close()
        return target

    async def _trained(
        self, begun: v1.Head, wait: bool, progress: HeadProgress | None, timeout_seconds: float | None
    ) -> Head:
        if not begun.versions:
            raise Internal(f"the server answered {begun.name!r} without a version")
        number = begun.versions[0].version
        if not wait:
            return head_of(begun)
        longest = _REPORT_SECONDS if timeout_seconds is None else timeout_seconds
        request = v1.WatchHeadRequest(name=begun.name)
        watch, last = Watch(self._transport, self._transport.heads.WatchHead, request), begun
        try:
            while report := await self._persist(watch.report, longest):
                last = report.head if report.HasField("head") else last
                if progress and report.step:
                    progress(report.step, report.progress)
        except Unavailable as error:
            raise Unavailable(
                f"{error}; version {number} of head {last.name.removeprefix('heads/')!r} was still being trained: if "
                "the server ended, that is lost, and the version is failed once it runs again",
                reason=error.reason,
                log_id=error.log_id,
            ) from error
        finally:
            watch.close()
        return _ready(head_of(last), number)


def _ready(head: Head, number: int) -> Head:
    version = head.version(number)
    if version is None or version.state == "training":
        raise Internal(f"the server stopped reporting on version {number} of head {head.name!r} before it was ready")
    if version.state == "failed":
        advice = "" if version.failure.startswith(("interrupted", "cancelled")) else "; change that and train it again"
        serving = f"; version {head.serving_version} goes on serving" if head.serving_version else ""
        raise HeadFailed(
            f"version {number} of head {head.name!r} could not be trained: {version.failure}{advice}{serving}"
        )
    return head
