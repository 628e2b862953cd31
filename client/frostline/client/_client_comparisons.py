"""The part of `Client` that compares encoders."""

from collections.abc import Callable, Iterable, Sequence

from frostline.client._blocking import run
from frostline.client._head_examples import HeadProgress
from frostline.client._operations import Operations
from frostline.client.comparisons import Comparison, ComparisonCost
from frostline.client.heads import Example, LabelledRecords
from frostline.client.types import Input


class ComparisonMethods:
    """Compares encoders."""

    _operations: Operations

    def compare_encoders(
        self,
        examples: Iterable[Example] = (),
        *,
        encoders: Sequence[str] = (),
        layers: Sequence[str] = (),
        records: LabelledRecords | None = None,
        collection: str = "",
        seen: Sequence[Input] = (),
        max_examples: int = 0,
        cost: Callable[[ComparisonCost], None] | None = None,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> Comparison:
        """Ranks encoders, at all their depths, by what each makes of the same labelled examples.

        A candidate is judged by ridge regression that has learned from all examples but the one it is asked for, which
        one decomposition gives exactly; LogME, H-score and nearest neighbors stand beside it. Nothing is trained that
        stays.

        Args:
            examples: labelled texts, or labelled images, or ids of records.
            encoders: names of the encoders; all that take such inputs when empty.
            layers: names of the depths; all of each encoder when empty. Encoders that have none of these are passed
                over.
            records: labelled records of a collection that keeps contents.
            collection: where `record_id` of examples is looked up; that of `records` when empty.
            seen: texts or images such as the encoders have seen in training, 2 to 500; with them the answer says
                whether the examples are near or far.
            max_examples: the most examples that are compared on, of each class its share; 2,000 when 0.
            cost: called with what it takes, before it begins.
            progress: called with the step (`starting`, `embedding`, `waiting`, `comparing`) and how much of it all
                is done.
            timeout_seconds: the longest time without a report of the server, 600 when None.

        Raises:
            InvalidInput: an example cannot be used (says which), or no class has two examples.
            NotFound: there is no such encoder, layer, collection or record.
        """
        return run(
            self._operations.compare_encoders(
                examples,
                encoders=encoders,
                layers=layers,
                records=records,
                collection=collection,
                seen=seen,
                max_examples=max_examples,
                cost=cost,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def comparison_cost(
        self,
        examples: Iterable[Example] = (),
        *,
        encoders: Sequence[str] = (),
        layers: Sequence[str] = (),
        records: LabelledRecords | None = None,
        collection: str = "",
        seen: Sequence[Input] = (),
        max_examples: int = 0,
        timeout_seconds: float | None = None,
    ) -> ComparisonCost:
        """Says what `compare_encoders` would take, and does no more than to time a few inputs.

        Args:
            examples: see `compare_encoders`; so are the others.
            encoders: names of the encoders.
            layers: names of the depths.
            records: labelled records of a collection.
            collection: where `record_id` of examples is looked up.
            seen: texts or images such as the encoders have seen.
            max_examples: the most examples that are compared on.
            timeout_seconds: the longest time without an answer of the server, 600 when None.

        Raises:
            InvalidInput, NotFound: see `compare_encoders`.
        """
        return run(
            self._operations.comparison_cost(
                examples,
                encoders=encoders,
                layers=layers,
                records=records,
                collection=collection,
                seen=seen,
                max_examples=max_examples,
                timeout_seconds=timeout_seconds,
            )
        )
