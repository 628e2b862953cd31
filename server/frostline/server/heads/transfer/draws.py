"""Which examples are learned from and which are held out; nothing here looks at how anything fares."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.transfer.contents import Contents
from frostline.server.heads.transfer.report import Split


@dataclass(frozen=True, slots=True, eq=False)
class Shots:
    """A number of shots.

    Attributes:
        each: examples of each class, or all that a class has where these are fewer.
        examples: of all classes together.
    """

    each: int
    examples: int


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """What is learned from, drawn several times, and what is held out.

    Attributes:
        orders: int64 of shape (r, n): the training rows, in r orders. All first examples of the classes come first,
            then all second ones, and so on, so that the first examples of an order are its fewer shots.
        held_out: int64 of shape (m,), other rows.
        shots: ascending; the last are all training rows.
        given: whether the caller gave the held-out rows.
    """

    orders: NDArray[np.int64]
    held_out: NDArray[np.int64]
    shots: Sequence[Shots]
    given: bool

    @classmethod
    def of(cls, labelled: Labelled, held_out: int, count: int) -> "Draws":
        """Holds examples out and draws from the others.

        Args:
            labelled: the examples.
            held_out: so many of them, the last ones, are held out; 0 for half of each class, the smaller half.
            count: how many orders.

        Raises:
            InvalidInput: there is too little of something; says of what.
        """
        targets = labelled.targets
        shuffled = _by_rank(targets, np.random.default_rng(0).permutation(len(targets)))
        rows = np.arange(len(targets))
        if held_out:
            judged = rows[len(rows) - held_out :] if held_out < len(rows) else rows
        else:
            judged = np.sort(shuffled[_ranks(targets[shuffled]) >= -(-labelled.counts // 2)[targets[shuffled]]])
        training = np.setdiff1d(rows, judged)
        counts = np.bincount(targets[training], minlength=len(labelled.classes))
        _check(labelled, counts, judged)
        orders = np.stack(
            [_by_rank(targets, np.random.default_rng(seed).permutation(training)) for seed in range(1, count + 1)]
        )
        return cls(orders, judged, _shots(counts), held_out > 0)

    def split(self, labelled: Labelled, contents: Contents) -> Split:
        """Counts and hashes."""
        training = np.sort(self.orders[0])
        return Split(
            training_count=len(training),
            held_out_count=len(self.held_out),
            given=self.given,
            training_sha256=_sha256(labelled, contents, training),
            held_out_sha256=_sha256(labelled, contents, self.held_out),
            draws_sha256=hashlib.sha256(self.orders.astype("<i8").tobytes()).hexdigest(),
        )


def _check(labelled: Labelled, counts: NDArray[np.int64], judged: NDArray[np.int64]) -> None:
    if not counts.all():
        label = labelled.classes[int(counts.argmin())]
        raise InvalidInput(f"all examples of class {label!r} are held out; give at least one to learn from")
    if not len(judged):
        raise InvalidInput(
            f"there is one example of each of {len(counts)} classes, and none can be held out; give at least two of one"
        )


def _shots(counts: NDArray[np.int64]) -> list[Shots]:
    """1, 2, 4 and so on, and all."""
    most = int(counts.max())
    each = [1 << power for power in range(most.bit_length()) if 1 << power < most] + [most]
    return [Shots(number, int(np.minimum(counts, number).sum())) for number in each]


def _by_rank(targets: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in an order, but the first of each class first, then the second, and so on."""
    return order[np.argsort(_ranks(targets[order]), kind="stable")]


def _ranks(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows before each are of its class: int64 of shape (n,)."""
    by_class = np.argsort(targets, kind="stable")
    ranks = np.empty(len(targets), np.int64)
    ranks[by_class] = np.arange(len(targets)) - np.searchsorted(targets[by_class], targets[by_class])
    return ranks


def _sha256(labelled: Labelled, contents: Contents, rows: NDArray[np.int64]) -> str:
    known = hashlib.sha256()
    for row in rows.tolist():
        content = contents[int(row)]
        # Lone halves of surrogate pairs are no UTF-8, but texts can hold them.
        data = content.encode(errors="surrogatepass") if isinstance(content, str) else content.read_bytes()
        label = labelled.classes[labelled.targets[row]].encode()
        for part in (labelled.features[row].astype("<f4").tobytes(), data, label):
            known.update(hashlib.sha256(part).digest())
    return known.hexdigest()
