"""Search's picture of a collection: a state, and the rows of the same commit where they are needed.

Most searches need no row: ids and declared fields lie in memory and mapped files. So the file is opened only when
something asks for it, and a transaction that then sees a later commit than the state raises `Moved`: whoever made the
view makes another, transaction first.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.filters import sql
from frostline.server.collections.filters.expression import Expression, paths
from frostline.server.collections.rows.keyword_index import KeywordIndex
from frostline.server.collections.rows.records import Rows
from frostline.server.collections.search.payload_paths import indexed_value
from frostline.server.collections.search.query import Step
from frostline.server.collections.search.search_port import Matching, Ranking
from frostline.server.collections.segments.parts import COUNTABLE, Part, locate
from frostline.server.collections.segments.state import Filtered, State
from frostline.server.collections.vectors.exact import normalized
from frostline.server.collections.vectors.plan import Plan, ranked
from frostline.server.collections.vectors.selection import Selection
from frostline.server.errors import DataDamaged, InvalidInput

SCANNED_SHARE = 0.1
"""Where a filter leaves more of a part to look up row by row, the part is read in one go."""
LOOKED_UP = 500
"""How many rows are looked up at once."""
RANGE_FIRST = 1024


class Moved(Exception):
    """The rows are of a later commit than the state."""


class StateView:
    """Satisfies `search_port.View`.

    Args:
        state: what is seen.
        open_rows: opens the rows at the state's commit, or raises Moved; asked once.
    """

    def __init__(self, state: State, open_rows: Callable[[], sqlite3.Connection]) -> None:
        self._state = state
        self._open_rows = open_rows
        self._connection: sqlite3.Connection | None = None

    @property
    def sequence(self) -> int:
        """The commit's number."""
        return self._state.sequence

    @property
    def config(self) -> CollectionConfig:
        """The configuration as of the commit."""
        return self._state.config

    @property
    def count(self) -> int:
        """Records."""
        return self._state.count

    @property
    def connection(self) -> sqlite3.Connection:
        """The rows as of the commit.

        Raises:
            Moved: they are of a later one.
        """
        if self._connection is None:
            self._connection = self._open_rows()
        return self._connection

    def matching(self, expression: Expression) -> Matching:
        """Finds the rows that a filter lets through; see `search_port.View`."""
        filtered = self._state.remembered(expression)
        if filtered is None:
            filtered = self._filtered(expression)
            self._state.remember(expression, filtered)
        unindexed = () if filtered.indexed else _undeclared(expression, self.config)
        return Matching(filtered.count, filtered.indexed, unindexed, filtered)

    def outside_groups(
        self, path: tuple[str, ...], groups: Collection[bytes], matching: Matching | None = None
    ) -> Matching | None:
        """Leaves out the rows of groups; see `search_port.View`."""
        if not any(field.parts == path and field.kind in COUNTABLE for field in self.config.fields):
            return None
        values = [value for group in groups if (value := indexed_value(group)) is not None]
        selections: list[Selection] = []
        for part, selection in zip(self._state.parts, self._selections(matching), strict=True):
            theirs = part.source.rows_with_only(path, values, part.total)
            selections.append(selection.without(theirs) if theirs else selection)
        indexed = matching is None or matching.indexed
        filtered = Filtered(tuple(selections), sum(each.count for each in selections), indexed)
        return Matching(filtered.count, indexed, () if matching is None else matching.unindexed_fields, filtered)

    def nearest(
        self, slot: int, queries: NDArray[np.float32], k: int, matching: Matching | None = None, *, exact: bool = False
    ) -> Ranking:
        """Finds the nearest rows; see `search_port.View`."""
        queries = normalized(queries, self.config.vectors[slot].metric)
        ids: list[NDArray[np.int64]] = []
        scores: list[NDArray[np.float32]] = []
        steps: list[Step] = []
        for part, selection in self.selected(matching):
            found = part.source.nearest(slot, queries, k, selection, exact=exact)
            ids.append(part.internal_ids[found.rows])
            scores.append(found.scores)
            steps.append(self._step(part, selection, found.plan))
        return _ranked(ids, scores, k, len(queries), steps)

    def within(
        self, slot: int, query: NDArray[np.float32], min_score: float, most: int, matching: Matching | None = None
    ) -> Ranking:
        """Finds all rows with at least a score; see `search_port.View`."""
        k = min(RANGE_FIRST, most)
        while True:
            ranking = self.nearest(slot, query[None], k, matching, exact=True)
            scores = ranking.scores[0]
            inside = int((scores >= np.float32(min_score)).sum())
            if inside < k or k >= most:
                return Ranking([ranking.internal_ids[0][:inside]], [scores[:inside]], ranking.steps)
            k = min(4 * k, most)

    def keywords(self, text: str, k: int, matching: Matching | None = None) -> Ranking:
        """Finds the rows whose texts have any of the words; see `search_port.View`."""
        if not self.config.keep_content:
            raise InvalidInput(
                f"collection {self.config.id!r} keeps no content, so there are no words to search; "
                "make one with keep_content, or search by vectors"
            )
        allowed = None if matching is None else self.rows_of(matching)
        index, depth = KeywordIndex(self.connection), k
        while True:
            ids, scores = index.search(text, depth, ids=allowed)
            held = self._held(ids)
            if len(ids) < depth or np.count_nonzero(held) >= k:
                break
            depth *= 2  # damaged rows have words too, but no place in any part
        ids, scores = ids[held][:k], scores[held][:k]
        step = Step("keywords", "bm25", self.count if matching is None else matching.count, len(ids))
        return Ranking([ids], [scores], [step])

    def vectors(self, slot: int, internal_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows; see `search_port.View`."""
        field = self.config.vectors[slot]
        vectors = np.full((len(internal_ids), field.space.dimensions), np.nan, np.float32)
        for place, mine in locate(self._state.parts, internal_ids):
            part = self._state.parts[place]
            vectors[mine] = part.source.vectors(slot, part.rows(internal_ids[mine]))
        return vectors

    def record_ids(self, internal_ids: NDArray[np.int64]) -> list[str]:
        """The ids of the records behind rows; see `search_port.View`."""
        parts = self._state.parts
        located = locate(parts, internal_ids)
        if len(located) == 1:
            part = parts[located[0][0]]
            return part.source.record_ids(part.rows(internal_ids))
        ids = [""] * len(internal_ids)
        for place, mine in located:
            part = parts[place]
            found = part.source.record_ids(part.rows(internal_ids[mine]))
            for position, record_id in zip(mine.tolist(), found, strict=True):
                ids[position] = record_id
        return ids

    def internal_ids(self, record_ids: Sequence[str]) -> NDArray[np.int64]:
        """The rows of records; see `search_port.View`."""
        return Rows(self.connection, self.config).internal_ids(record_ids)

    def payloads(self, internal_ids: NDArray[np.int64]) -> dict[int, bytes | DataDamaged]:
        """The payloads of rows; see `search_port.View`."""
        return Rows(self.connection, self.config).payloads(internal_ids)

    def rows_of(self, matching: Matching | None) -> NDArray[np.int64]:
        """Internal ids of what a filter lets through, ascending; None for all."""
        pairs = zip(self._state.parts, self._selections(matching), strict=True)
        return np.concatenate([part.internal_ids[selection.positions()] for part, selection in pairs])

    def selected(self, matching: Matching | None) -> list[tuple[Part, Selection]]:
        """Parts that hold rows that match, with these rows; None for all that live."""
        pairs = zip(self._state.parts, self._selections(matching), strict=True)
        return [(part, each) for part, each in pairs if each.count]

    def _selections(self, matching: Matching | None) -> Sequence[Selection]:
        if matching is None:
            return [part.alive for part in self._state.parts]
        filtered: Filtered = matching.rows
        return filtered.selections

    def _held(self, internal_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        held = np.zeros(len(internal_ids), np.bool_)
        for place, mine in locate(self._state.parts, internal_ids):
            held[mine] = self._state.parts[place].holds(internal_ids[mine])
        return held

    def _step(self, part: Part, selection: Selection, plan: Plan) -> Step:
        place = self._state.parts.index(part)
        name = "tail" if place == len(self._state.parts) - 1 else f"segment {place}"
        verified = part.source.verified
        return Step(name, plan.name, selection.count, plan.candidates, plan.nprobe, plan.recall, verified)

    def _filtered(self, expression: Expression) -> Filtered:
        selections: list[Selection] = []
        indexed = True
        for part in self._state.parts:
            may_match = part.source.may_match(expression, part.total)
            selection = part.select(may_match.rows)
            if not may_match.exact and selection.count:
                indexed = False
                selection = self._looked_up(expression, part, selection)
            selections.append(selection)
        return Filtered(tuple(selections), sum(each.count for each in selections), indexed)

    def _looked_up(self, expression: Expression, part: Part, selection: Selection) -> Selection:
        """Those of the selected rows that match, read one by one."""
        sql.register(self.connection)
        ids = part.internal_ids[selection.positions()]
        condition, values = sql.where(expression)
        if len(ids) > SCANNED_SHARE * part.total:
            query = f"SELECT r.internal_id FROM records r WHERE r.internal_id BETWEEN ? AND ? AND ({condition})"
            rows = self.connection.execute(query, (int(ids[0]), int(ids[-1]), *values))
            found = np.fromiter((row[0] for row in rows), np.int64)
            found = found[np.isin(found, ids)]
        else:
            found = np.concatenate(
                [np.empty(0, np.int64)]
                + [self._those(condition, values, ids[start : start + LOOKED_UP]) for start in _steps(len(ids))]
            )
        return Selection.of(part.rows(np.sort(found)), part.total)

    def _those(self, condition: str, values: Sequence[object], ids: NDArray[np.int64]) -> NDArray[np.int64]:
        marks = ",".join("?" * len(ids))
        query = f"SELECT r.internal_id FROM records r WHERE r.internal_id IN ({marks}) AND ({condition})"
        return np.fromiter((row[0] for row in self.connection.execute(query, (*ids.tolist(), *values))), np.int64)


def _undeclared(expression: Expression, config: CollectionConfig) -> tuple[str, ...]:
    """The fields that a filter could not find in an index, or all where it used them as they are not declared."""
    declared = {field.parts for field in config.fields}
    used = sorted(paths(expression))
    return tuple(".".join(path) for path in used if path not in declared) or tuple(".".join(path) for path in used)


def _steps(count: int) -> range:
    return range(0, count, LOOKED_UP)


def _ranked(
    ids: list[NDArray[np.int64]], scores: list[NDArray[np.float32]], k: int, queries: int, steps: list[Step]
) -> Ranking:
    """Puts what parts have found together."""
    if len(ids) == 1:
        return Ranking(list(ids[0]), list(scores[0]), steps)
    if not ids:
        none = np.empty((queries, 0))
        return Ranking(list(none.astype(np.int64)), list(none.astype(np.float32)), steps)
    rows, values = ranked(np.concatenate(ids, axis=1), np.concatenate(scores, axis=1), k)
    return Ranking(list(rows), list(values), steps)
