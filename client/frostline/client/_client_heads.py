"""The part of `Client` that trains, lists, exports and deletes heads."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from frostline.client._blocking import run
from frostline.client._head_examples import HeadProgress
from frostline.client._operations import Operations
from frostline.client.heads import Example, ExportFormat, FeatureScaling, Head, HeadTask, LabelledRecords, Recipe
from frostline.client.types import Embeddings


class HeadMethods:
    """Trains, lists, exports and deletes heads."""

    _operations: Operations

    def train_head(
        self,
        name: str,
        examples: Iterable[Example] = (),
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
        """Trains a head, and waits until it can predict; where the name is taken, a new version of that head.

        An interrupted wait does not interrupt the training; `cancel_head` does. Texts and images that are too large for
        one request are embedded first, batch by batch.

        Args:
            name: lower-case letters, digits, hyphens and underscores, at most 63.
            examples: labelled texts, images, vectors or ids of records. These, `vectors` and `records` may come
                together where all live in one space.
            encoder: of texts and images; may be left out where there are none.
            vectors: ready vectors, of shape (n, d): cheaper than one in each example.
            labels: their n labels; or for each of them its labels, for a head that answers several.
            values: their n numbers instead, for a head that answers numbers.
            records: labelled records of a collection.
            collection: where `record_id` of examples is looked up; that of `records` when empty.
            recipe: what the head is trained from; `auto` takes the best of logistic, ridge and lda by cross-validation.
            strength: the recipe's penalty, shrinkage, C or number of neighbors; chosen by cross-validation when None.
            balance_classes: whether classes count alike, however many examples they have.
            descriptions: what each class is about, by label, for encoders of texts. Counts like one more example;
                described classes need no others.
            abstain_error: the error, from 0 to 1, that answers shall stay below: the head abstains where it is not sure
                enough. It never does when 0.
            coverage: how often label sets shall hold the true label, and intervals the true number, between 0 and 1.
            task: what the head answers: one `class`, any number of `labels`, or a `value`, which is a number. What the
                examples say when None; records say classes.
            layer: the encoder's layer whose output is taken; its default when empty.
            scaling: what is done to the values of each embedding first. `auto` tries their square roots where none of
                the examples' is negative, as of image encoders, and chooses by cross-validation. For heads of classes.
            whiten: whether embeddings are spread alike in all directions before the recipe sees them. For heads of
                classes; not for nearest_neighbors.
            augment: how many altered copies of each text and image are learned from beside it, 0 to 8: of texts words
                are left out, images are cropped and mirrored. All copies of an example and itself weigh as much as one.
                Texts and images then travel in one request, whatever their size. For heads of classes; not for
                nearest_neighbors.
            adapt_to: vectors of unlabelled inputs such as are to be predicted, of shape (m, d). The head is adapted to
                them: examples get their mean and covariance before they are learned from. For heads of classes.
            description: what the head is for, at most 1,000 characters.
            wait: whether to wait; else the head is returned while it trains, and `get_head` tells how it went.
            progress: called with the step and how much of it all is done, from 0 to 1; see `HeadProgress`.
            timeout_seconds: of each call, see `Client`; while waiting, the longest time without a report of the server,
                600 when None.

        Returns:
            The head, with the new version first.

        Raises:
            HeadFailed: it could not be trained; an earlier version goes on serving.
            InvalidInput: an example cannot be used (says which), or an option is out of range.
            NotFound: there is no such encoder, collection or record.
            SpaceMismatch: vectors live in different spaces.
        """
        return run(
            self._operations.train_head(
                name,
                examples,
                encoder=encoder,
                vectors=vectors,
                labels=labels,
                values=values,
                records=records,
                collection=collection,
                recipe=recipe,
                strength=strength,
                balance_classes=balance_classes,
                descriptions=descriptions,
                abstain_error=abstain_error,
                coverage=coverage,
                task=task,
                layer=layer,
                scaling=scaling,
                whiten=whiten,
                augment=augment,
                adapt_to=adapt_to,
                description=description,
                wait=wait,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def update_head(
        self,
        name: str,
        added: Iterable[Example] = (),
        removed: Iterable[Example] = (),
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
        """Trains a new version of a head from its examples, some added and some removed.

        The version that serves goes on until the new one is ready. With ridge, lda and nearest_mean the new weights are
        those of training on everything anew.

        Args:
            name: the head's name.
            added: examples to add; new labels make new classes.
            removed: examples to remove, with inputs and labels as they were given.
            removed_classes: classes to remove, with all their examples.
            vectors: ready vectors to add, of shape (n, d).
            labels: their n labels, see `train_head`.
            values: their n numbers, for a head that answers numbers.
            records: labelled records of a collection, to add.
            collection: where `record_id` of examples is looked up.
            wait: see `train_head`; so are `progress` and `timeout_seconds`.
            progress: called with the step and how much of it all is done.
            timeout_seconds: of each call, and while waiting without a report.

        Raises:
            HeadFailed: it could not be trained; the version before goes on serving.
            InvalidInput: an example cannot be used; says which.
            NotFound: there is no such head, class, collection, record or example.
        """
        return run(
            self._operations.update_head(
                name,
                added,
                removed,
                removed_classes,
                vectors=vectors,
                labels=labels,
                values=values,
                records=records,
                collection=collection,
                wait=wait,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def merge_heads(
        self,
        name: str,
        parts: Sequence[str | bytes | Path],
        *,
        description: str = "",
        wait: bool = True,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> Head:
        """Makes a head that knows what several know, without any of their examples: as if trained on all together.

        Args:
            name: of the merged head, see `train_head`.
            parts: at least two heads of one recipe that keeps statistics (ridge, lda, nearest_mean), with the same
                strength and space: names of heads of this server, and archives of others, as `export_head` writes them.
            description: what the merged head is for.
            wait: see `train_head`; so are `progress` and `timeout_seconds`.
            progress: called with the step and how much of it all is done.
            timeout_seconds: of each call, and while waiting without a report.

        Raises:
            HeadFailed: it could not be made.
            InvalidInput: the heads do not go together, or an archive cannot be read.
            NotFound: there is no such head.
        """
        return run(
            self._operations.merge_heads(
                name,
                parts,
                description=description,
                wait=wait,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def cancel_head(self, name: str, *, timeout_seconds: float | None = None) -> Head:
        """Breaks off the training of the newest version; the version that serves goes on.

        A new training may begin at once. Whoever waits for the version gets HeadFailed. Done again, it changes nothing.

        Returns:
            The head; its newest version has failed.

        Raises:
            NotFound: there is no such head.
            FailedPrecondition: its newest version is not being trained.
        """
        return run(self._operations.cancel_head(name, timeout_seconds=timeout_seconds))

    def get_head(self, name: str, *, timeout_seconds: float | None = None) -> Head:
        """Gets one head and its versions.

        Raises:
            NotFound: there is no such head.
        """
        return run(self._operations.get_head(name, timeout_seconds=timeout_seconds))

    def list_heads(self, *, timeout_seconds: float | None = None) -> list[Head]:
        """Lists the heads, by name."""
        return run(self._operations.list_heads(timeout_seconds=timeout_seconds))

    def rollback_head(self, name: str, version: int = 0, *, timeout_seconds: float | None = None) -> Head:
        """Lets another ready version serve, at once.

        Args:
            name: the head's name.
            version: its number; the latest ready one before the one that serves when 0.
            timeout_seconds: see `Client`.

        Raises:
            NotFound: there is no such head or version.
            FailedPrecondition: the version is not ready, or there is none before.
        """
        return run(self._operations.rollback_head(name, version, timeout_seconds=timeout_seconds))

    def delete_head(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a head and all its versions; one in training is broken off.

        Raises:
            NotFound: there is no such head.
        """
        run(self._operations.delete_head(name, timeout_seconds=timeout_seconds))

    def export_head(
        self,
        name: str,
        path: str | Path,
        format: ExportFormat = "archive",
        *,
        version: int = 0,
        timeout_seconds: float = 600.0,
    ) -> Path:
        """Writes a version of a head to a file, which appears when it is whole and replaces one that is there.

        Not tried again on failure.

        Args:
            name: the head's name.
            path: the file.
            format: `archive`, a ZIP of arrays, JSON and graph, to be merged elsewhere; `head-onnx`, a graph from
                embeddings to logits and probabilities; `onnx`, a graph of encoder and head.
            version: its number; the one that serves when 0.
            timeout_seconds: the longest time without an answer of the server.

        Returns:
            The file.

        Raises:
            InvalidInput: the file cannot be written, or the format is unknown.
            NotFound: there is no such head or version.
        """
        return run(self._operations.export_head(name, path, format, version=version, timeout_seconds=timeout_seconds))
