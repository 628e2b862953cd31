"""Learns from all users of a collection, as a process: `python -m frostline.server.recommendations.learning`.

See `child.py` for how it is asked and answers. It opens the collection's file for reading; the last line it says is
{"sequence": the commit up to which it learned}.
"""

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.sparse import csr_array

from frostline.server import child
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows import columns, database
from frostline.server.collections.rows.interactions import InteractionRows
from frostline.server.recommendations import blend_fitting
from frostline.server.recommendations import learned as files
from frostline.server.recommendations.blending import Blend
from frostline.server.recommendations.collaborative import Collaborative, Limits
from frostline.server.recommendations.histories import LikedBuilder
from frostline.server.recommendations.items import Items, read_items
from frostline.server.recommendations.learned import Learned
from frostline.server.recommendations.strategies import kriging
from frostline.server.recommendations.strategies.factors import FACTORS, Factors
from frostline.server.report import Report, part_of


class Order(BaseModel):
    """What to learn from.

    Attributes:
        database: the collection's file.
        config: of the collection.
        folder: where to write; there, and empty.
        ease_items: see `collaborative.Limits`.
        seed: of what is drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: Path
    config: CollectionConfig
    folder: Path
    ease_items: int
    seed: int = 0


def main() -> None:
    """Learns what is asked for on standard input."""
    child.carry_out(Order, _carried_out)


def _carried_out(order: Order) -> dict[str, int]:
    def report(step: str, done: float) -> None:
        child.say(step=step, progress=round(done, 3))

    learned = learn(order, report)
    files.save(learned, order.folder)
    return {"sequence": learned.sequence}


def learn(order: Order, report: Report) -> Learned:
    """Learns from a collection as of one commit.

    Args:
        order: what from.
        report: told how far it is.

    Returns:
        What was learned; strategies over no items where there are no interactions above 0.
    """
    report("reading", 0)
    with contextlib.closing(database.connect(order.database)) as connection:
        connection.execute("BEGIN")
        items = read_items(columns.read(connection, order.config), order.config)
        rows = InteractionRows(connection, order.config.id)
        builder = LikedBuilder({record_id: number for number, record_id in enumerate(items.record_ids)})
        for chunk in rows.since(0):
            builder.add((each.user, each.record, each.weight, each.time) for each in chunk)
        sequence, _ = rows.commits()
    liked, limits = builder.build(), Limits(order.ease_items, order.seed)
    counts = liked.counts()
    warm = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    known = liked.of_items(warm)
    blend = blend_fitting.fitted(known, items.matrix[warm], limits, part_of(report, 0.1, 0.6))
    regularizations = blend.regularization, blend.carried_regularization
    collaborative = (
        Collaborative.learned(known, regularizations, limits, part_of(report, 0.6, 0.9)) if len(warm) else _nothing()
    )
    report("what items have in common", 0.9)
    return _carried(sequence, items, warm, collaborative, blend)


def _nothing() -> Collaborative:
    none = np.zeros((0, 0), np.float32)
    near: csr_array = csr_array((0, 0), dtype=np.float32)
    return Collaborative(none, none, near, Factors(np.zeros((0, FACTORS), np.float32)))


def _carried(
    sequence: int,
    items: Items,
    warm: NDArray[np.int64],
    collaborative: Collaborative,
    blend: Blend,
) -> Learned:
    anchors = items.matrix[warm[: len(collaborative.ease)]]
    unit = kriging.median_square(anchors)
    count = kriging.neighbor_count(len(items), len(anchors))
    found, shares = kriging.weights(anchors, items.matrix, count, unit, blend.width)
    return Learned(
        sequence=sequence,
        features=items.features,
        blend=blend,
        warm=[items.record_ids[int(number)] for number in warm],
        collaborative=collaborative,
        rows=items.rows,
        anchors=found,
        shares=shares,
        unit=unit,
    )


if __name__ == "__main__":
    main()
