"""The part of `Client` that asks heads and judges them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from frostline.client._blocking import run
from frostline.client._head_examples import HeadProgress
from frostline.client._operations import Operations
from frostline.client.heads import Example, LabelledRecords
from frostline.client.predictions import Evaluation, PredictedRecords, Predictions
from frostline.client.types import Embeddings, Floats, Input


class PredictionMethods:
    """Asks heads, and judges them."""

    _operations: Operations

    def predict(
        self,
        head: str,
        inputs: Iterable[Input] | Floats | Embeddings,
        *,
        limit: int = 1,
        version: int = 0,
        batch_size: int = 256,
        timeout_seconds: float | None = None,
    ) -> Predictions:
        """Predicts labels or numbers: embeds and answers in one call. Large inputs are cut into several.

        Args:
            head: the head's name.
            inputs: n texts, image files (bytes or paths), or vectors in the head's space; an array of shape (n, d) is n
                vectors.
            limit: how many classes of each input are wanted, the likeliest first.
            version: the version that predicts; the one that serves when 0. A call that is cut goes on with the version
                it began with.
            batch_size: the most texts or images in one request; vectors are cut by their bytes.
            timeout_seconds: see `Client`.

        Returns:
            What the head says of each input; one that failed is in `errors`, has no label and counts as abstained.

        Raises:
            InvalidInput: a single text instead of a list, an input of no known kind, a file that cannot be read.
            NotFound: there is no such head or version.
            FailedPrecondition: no version of it is ready.
            SpaceMismatch: the vectors live in another space than the head.
        """
        return run(
            self._operations.predict(
                head,
                inputs,
                limit=limit,
                version=version,
                batch_size=batch_size,
                timeout_seconds=timeout_seconds,
            )
        )

    def predict_records(
        self,
        head: str,
        collection: str,
        label_field: str,
        *,
        probability_field: str = "",
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        vector_name: str = "",
        version: int = 0,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> PredictedRecords:
        """Predicts labels or numbers from the stored vectors of a collection's records, and writes them into payloads.

        What the field holds is replaced: name one of its own, or pass over records that have a label with the filter
        `NOT label:*`. Called again after it was broken off, or for what is new, it changes only what is not so already.
        Records that are written after it began keep what they hold.

        Args:
            head: the head's name.
            collection: name or alias of the collection.
            label_field: path of the payload field that is written into: `topic`, `predicted.topic`. It gets the label;
                of heads of several labels an array of them, the likeliest first, which may be empty; of heads that
                answer numbers the number, rounded to nine digits. Where the head abstains, the field is removed. A
                record that holds an object or an array there counts as failed; of several labels, arrays of strings,
                numbers and booleans are replaced.
            probability_field: path of the field that the probability of the likeliest label is written into, rounded to
                four places; of heads of several labels an array, the probability of each label in the order of the
                labels. None when empty; not for heads that answer numbers.
            filter: which records are labelled, an AIP-160 expression; all when empty.
            parameters: values of `$name` in the filter.
            vector_name: the vector that is classified; the collection's first when empty.
            version: the version that predicts; the one that serves when 0. It predicts to the end.
            progress: called with `labelling` and how much of it all is done, from 0 to 1.
            timeout_seconds: the longest time without a report of the server, see `Client`.

        Raises:
            InvalidInput: a field or the filter cannot be read; or a probability is wanted of a head that answers
                numbers.
            NotFound: there is no such head, version, collection or vector.
            FailedPrecondition: no version of the head is ready.
            SpaceMismatch: the vectors live in another space than the head.
            StorageFull: the server's disk has no room; what is written stays.
        """
        return run(
            self._operations.predict_records(
                head,
                collection,
                label_field,
                probability_field=probability_field,
                filter=filter,
                parameters=parameters,
                vector_name=vector_name,
                version=version,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def evaluate_head(
        self,
        name: str,
        examples: Iterable[Example] = (),
        *,
        vectors: ArrayLike | Embeddings | None = None,
        labels: Sequence[str] | Sequence[Sequence[str]] | None = None,
        values: ArrayLike | None = None,
        groups: Sequence[str] | None = None,
        records: LabelledRecords | None = None,
        collection: str = "",
        version: int = 0,
        timeout_seconds: float = 600.0,
    ) -> Evaluation:
        """Judges a head on labelled examples it has not seen, and by group where these have groups.

        Args:
            name: the head's name.
            examples: see `train_head`; so are `vectors`, `labels`, `records` and `collection`.
            vectors: ready vectors, of shape (n, d).
            labels: their n labels, see `train_head`.
            values: their n numbers, for a head that answers numbers.
            groups: their n groups; examples and records bring theirs, see `Example` and `LabelledRecords`. Each example
                has one, or none has; 2 to 100 groups of 10 examples or more. For heads of classes.
            records: labelled records of a collection.
            collection: where `record_id` of examples is looked up.
            version: the version to judge; the one that serves when 0.
            timeout_seconds: see `Client`.

        Raises:
            InvalidInput: an example cannot be used; says which.
            NotFound: there is no such head, version, collection or record.
            FailedPrecondition: no version of it is ready.
        """
        return run(
            self._operations.evaluate_head(
                name,
                examples,
                vectors=vectors,
                labels=labels,
                values=values,
                groups=groups,
                records=records,
                collection=collection,
                version=version,
                timeout_seconds=timeout_seconds,
            )
        )
