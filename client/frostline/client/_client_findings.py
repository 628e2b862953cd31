"""The part of `Client` that asks about the data around heads."""

from collections.abc import Iterable, Sequence

from numpy.typing import ArrayLike

from frostline.client._blocking import run
from frostline.client._head_examples import HeadProgress
from frostline.client._operations import Operations
from frostline.client.findings import Drift, LabelAudit, LabelStrategy, LabelSuggestion
from frostline.client.heads import Example, LabelledRecords, UnlabelledRecords
from frostline.client.types import Embeddings, Floats, Input


class FindingMethods:
    """Asks whether data has drifted, where it is wrong, and what to label next."""

    _operations: Operations

    def measure_drift(
        self,
        head: str,
        inputs: Iterable[Input] | Floats | Embeddings = (),
        *,
        records: UnlabelledRecords | None = None,
        version: int = 0,
        limit: int = 20,
        progress: HeadProgress | None = None,
        timeout_seconds: float = 600.0,
    ) -> Drift:
        """Measures whether what a head is asked about now is still like the examples it was trained from.

        Args:
            head: the head's name; one that was merged has no examples.
            inputs: 5 texts, image files (bytes or paths) or vectors, or more; an array of shape (n, d) is n vectors.
            records: records of a collection, instead of `inputs`.
            version: of the head; the one that serves when 0.
            limit: the most inputs that are listed as shifted.
            progress: called with the step (`starting`, `waiting`, `embedding`, `comparing`) and how much of it all
                is done.
            timeout_seconds: the longest time without a report of the server.

        Raises:
            InvalidInput: there are fewer than 5 inputs, or one cannot be used; says which.
            NotFound: there is no such head, version or collection.
            SpaceMismatch: the inputs live in another space than the head.
        """
        return run(
            self._operations.measure_drift(
                head,
                inputs,
                records=records,
                version=version,
                limit=limit,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def audit_labels(
        self,
        head: str = "",
        examples: Iterable[Example] = (),
        *,
        encoder: str = "",
        vectors: ArrayLike | Embeddings | None = None,
        labels: Sequence[str] | None = None,
        records: LabelledRecords | None = None,
        collection: str = "",
        version: int = 0,
        limit: int = 100,
        progress: HeadProgress | None = None,
        timeout_seconds: float = 600.0,
    ) -> LabelAudit:
        """Looks for labels that are probably wrong, near duplicates and outliers, among at most 100,000 examples.

        Args:
            head: a head whose recipe judges the labels; `lda` does when empty. Where no examples are given, those it
                was trained from are audited, in the order they were given in.
            examples: labelled texts, images, vectors or ids of records, all of one kind.
            encoder: of texts and images, where no head is named.
            vectors: ready vectors instead, of shape (n, d).
            labels: their n labels.
            records: labelled records of a collection instead.
            collection: where `record_id` of examples is looked up.
            version: of the head; the one that serves when 0.
            limit: the most that is listed of each kind.
            progress: called with the step (`starting`, `waiting`, `embedding`, `judging labels`, `comparing examples`)
                and how much of it all is done.
            timeout_seconds: the longest time without a report of the server.

        Raises:
            InvalidInput: there are no examples or too many, they are of several kinds, or one cannot be used; says
                which.
            NotFound: there is no such head, version, collection or record.
            SpaceMismatch: vectors live in different spaces.
        """
        return run(
            self._operations.audit_labels(
                head,
                examples,
                encoder=encoder,
                vectors=vectors,
                labels=labels,
                records=records,
                collection=collection,
                version=version,
                limit=limit,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def suggest_labels(
        self,
        head: str = "",
        inputs: Iterable[Input] | Floats | Embeddings = (),
        *,
        records: UnlabelledRecords | None = None,
        count: int = 20,
        strategy: LabelStrategy | None = None,
        encoder: str = "",
        version: int = 0,
        progress: HeadProgress | None = None,
        timeout_seconds: float = 600.0,
    ) -> list[LabelSuggestion]:
        """Chooses the inputs whose labels would teach most, unlike each other and unlike what is labelled.

        Args:
            head: the head that is to learn; what it was trained from counts as labelled. May be left out with
                `coverage`, as before there is one.
            inputs: texts, image files (bytes or paths) or vectors; an array of shape (n, d) is n vectors.
            records: records of a collection, instead of `inputs`.
            count: how many are wanted, at most 1,000.
            strategy: `margin` takes inputs whose two likeliest classes are about as likely, `uncertainty` those whose
                likeliest class is not likely, `coverage` those that are like many others. `margin` when None, and
                `coverage` without a head or with one that answers several labels or numbers.
            encoder: of texts and images, where no head is named.
            version: of the head; the one that serves when 0.
            progress: called with the step (`starting`, `waiting`, `embedding`, `selecting`) and how much of it all
                is done.
            timeout_seconds: the longest time without a report of the server.

        Returns:
            The inputs, the most useful first; fewer where there are not so many.

        Raises:
            InvalidInput: there are no inputs, one cannot be used (says which), or the strategy takes a head.
            NotFound: there is no such head, version or collection, or no record is without a label.
            SpaceMismatch: the inputs live in another space than the head.
        """
        return run(
            self._operations.suggest_labels(
                head,
                inputs,
                records=records,
                count=count,
                strategy=strategy,
                encoder=encoder,
                version=version,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )
