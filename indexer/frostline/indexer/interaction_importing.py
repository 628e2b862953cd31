"""Import of interactions: rows of a file are recorded, some thousand at once."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from frostline.client import Client, Interaction
from frostline.indexer.interaction_rows import InteractionFields, InteractionRows
from frostline.indexer.job import Progress
from frostline.indexer.rows import Rejection

_COMMITS_AT_ONCE = 4


@dataclass(slots=True)
class ImportedInteractions:
    """What was imported.

    Attributes:
        rows: read.
        recorded: interactions that were recorded; of several rows of one user, record and kind the last stays.
        refused: rows that were not.
        reasons: how many rows were refused for each reason, most frequent first.
        first: for each reason, the first row that was refused for it.
        seconds: it took.
    """

    rows: int = 0
    recorded: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    first: dict[str, Rejection] = field(default_factory=dict[str, Rejection])
    seconds: float = 0.0


def import_interactions(
    client: Client,
    path: Path,
    collection: str,
    *,
    fields: InteractionFields = InteractionFields(),  # noqa: B008 - frozen, so sharing it is safe
    batch_size: int = 5_000,
    on_progress: Callable[[Progress], None] | None = None,
) -> ImportedInteractions:
    """Records the interactions of a file.

    Nothing counts twice that is imported again: an interrupted import is simply begun again.

    Args:
        client: reaches the server.
        path: a file of JSON Lines, CSV with a header, or Parquet.
        collection: its name or alias.
        fields: which field is what.
        batch_size: rows of a commit, at most 10,000.
        on_progress: called after every few commits.

    Raises:
        BadSource: the file cannot be read.
        MissingExtra: pyarrow is not installed.
        FrostlineError: the server does not take them.
    """
    started = time.monotonic()
    rows = InteractionRows(path, fields)
    tally, done, reasons = ImportedInteractions(), iter(enumerate(rows, 1)), Counter[str]()
    while batch := list(islice(done, _COMMITS_AT_ONCE * batch_size)):
        for rejection in _recorded(client, collection, batch, batch_size, tally):
            reasons[rejection.reason] += 1
            tally.first.setdefault(rejection.reason, rejection)
        tally.rows += len(batch)
        tally.refused = reasons.total()
        tally.reasons = dict(reasons.most_common())
        tally.seconds = time.monotonic() - started
        if on_progress:
            rate = tally.rows / max(tally.seconds, 1e-9)
            on_progress(Progress(tally.rows, rows.total, False, tally.refused, rate))
    return tally


def _recorded(
    client: Client,
    collection: str,
    batch: list[tuple[int, Interaction | Rejection]],
    batch_size: int,
    tally: ImportedInteractions,
) -> Iterator[Rejection]:
    """Records what can be; gives what cannot, in the order of the rows as far as this is known."""
    sent = [(number, each) for number, each in batch if isinstance(each, Interaction)]
    yield from (each for _, each in batch if isinstance(each, Rejection))
    recorded = client.record_interactions(collection, [each for _, each in sent], batch_size=batch_size)
    tally.recorded += recorded.count
    for index, error in recorded.errors.items():
        yield Rejection(sent[index][0], "", error.reason, error.message)
