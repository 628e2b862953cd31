"""The part of `Client` that measures what encoders are worth."""

from collections.abc import Callable, Iterable

from frostline.client._blocking import run
from frostline.client._head_examples import HeadProgress
from frostline.client._operations import Operations
from frostline.client.heads import Example, LabelledRecords, Recipe
from frostline.client.transfer import TransferCost, TransferReport


class TransferMethods:
    """Measures what encoders are worth."""

    _operations: Operations

    def measure_transfer(
        self,
        examples: Iterable[Example] = (),
        *,
        encoder: str = "",
        records: LabelledRecords | None = None,
        collection: str = "",
        held_out: Iterable[Example] = (),
        held_out_records: LabelledRecords | None = None,
        recipe: Recipe = "auto",
        strength: float | None = None,
        balance_classes: bool = False,
        draws: int = 10,
        cost: Callable[[TransferCost], None] | None = None,
        progress: HeadProgress | None = None,
        timeout_seconds: float | None = None,
    ) -> TransferReport:
        """Measures what an encoder is worth for your examples, against learning from scratch.

        Heads on the encoder and the best baseline without it (TF-IDF for texts, HOG or pixels for images, each with
        logistic regression) learn from ever more of the same examples, and are judged on others. Takes minutes; a call
        that is interrupted ends the measurement.

        Args:
            examples: labelled texts or images, all of one kind, or ids of records. Together they must fit into one
                request (64 MiB unless the server is set otherwise); larger ones into a collection.
            encoder: the encoder; may be left out where all examples are records, whose stored vectors are measured
                then.
            records: labelled records of a collection that keeps contents.
            collection: where `record_id` of examples is looked up; that of `records` when empty.
            held_out: examples to be judged by; half of each class of the others where neither these nor
                `held_out_records` are given.
            held_out_records: likewise.
            recipe: of the heads, see `train_head`; so are `strength` and `balance_classes`.
            strength: the recipe's; chosen by cross-validation when None.
            balance_classes: whether classes count alike.
            draws: how often examples are drawn anew, 10 to 100.
            cost: given what it takes, before it begins.
            progress: called with the step and how much of it all is done, from 0 to 1.
            timeout_seconds: the longest time without a report of the server, 600 when None.

        Returns:
            The report: a verdict, learning curves and what they say; `report.save_html("transfer.html")` writes a page.

        Raises:
            InvalidInput: an example cannot be used, or there are too few; says which.
            NotFound: there is no such encoder, collection or record.
        """
        return run(
            self._operations.measure_transfer(
                examples,
                encoder=encoder,
                records=records,
                collection=collection,
                held_out=held_out,
                held_out_records=held_out_records,
                recipe=recipe,
                strength=strength,
                balance_classes=balance_classes,
                draws=draws,
                cost=cost,
                progress=progress,
                timeout_seconds=timeout_seconds,
            )
        )

    def transfer_cost(
        self,
        examples: Iterable[Example] = (),
        *,
        encoder: str = "",
        records: LabelledRecords | None = None,
        collection: str = "",
        held_out: Iterable[Example] = (),
        held_out_records: LabelledRecords | None = None,
        recipe: Recipe = "auto",
        strength: float | None = None,
        balance_classes: bool = False,
        draws: int = 10,
        timeout_seconds: float | None = None,
    ) -> TransferCost:
        """Says what `measure_transfer` would take, and does no more than to check what is given.

        Args:
            examples: see `measure_transfer`; so are the others.
            encoder: the encoder.
            records: labelled records of a collection.
            collection: where `record_id` of examples is looked up.
            held_out: examples to be judged by.
            held_out_records: likewise.
            recipe: of the heads.
            strength: the recipe's.
            balance_classes: whether classes count alike.
            draws: how often examples are drawn anew.
            timeout_seconds: the longest time without an answer of the server, 600 when None.

        Raises:
            InvalidInput, NotFound: see `measure_transfer`.
        """
        return run(
            self._operations.transfer_cost(
                examples,
                encoder=encoder,
                records=records,
                collection=collection,
                held_out=held_out,
                held_out_records=held_out_records,
                recipe=recipe,
                strength=strength,
                balance_classes=balance_classes,
                draws=draws,
                timeout_seconds=timeout_seconds,
            )
        )
