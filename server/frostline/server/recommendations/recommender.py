"""Recommends the records of one collection."""

import threading
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.collection import Collection
from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.records import Record
from frostline.server.collections.search.payload_paths import first_value, selected, tree_of
from frostline.server.errors import DataDamaged, NotFound
from frostline.server.recommendations import ranking
from frostline.server.recommendations.asking import Answer, Ask, Reason
from frostline.server.recommendations.learned import Learned
from frostline.server.recommendations.scoring import Scored, score
from frostline.server.recommendations.state import State
from frostline.server.recommendations.taste import Taste, taste

MOST_HISTORY = 500
"""Interactions of a user that count: the newest."""
MOST_SEEN = 10_000
"""Interactions of a user whose records are not recommended again: the newest."""
_EXPLAINED = 20
_EXAMPLES_TOLD = 5


class Recommender:
    """Recommends. All methods block, and may be called from several threads at once.

    Args:
        collection: whose records.
        on_forgotten: see `State`.
    """

    def __init__(self, collection: Collection, on_forgotten: Callable[[], None] = lambda: None) -> None:
        self.collection = collection
        self._on_forgotten = on_forgotten
        self._changing = threading.Lock()
        self._state: State | None = None

    def close(self) -> None:
        """Stops following the collection."""
        with self._changing:
            if self._state:
                self._state.close()
                self._state = None

    def put(self, learned: Learned) -> bool:
        """Takes what was learned, unless it may hold what was deleted since; whether it did."""
        fresh = self._read(learned)
        if fresh is None:
            return False
        with self._changing:
            before, self._state = self._state, fresh
        if before:
            before.close()
        return True

    def state(self) -> State:
        """What is known, with all commits that were there when this was called."""
        with self._changing:
            state = self._state
            if state is None or state.stale:
                if state:
                    state.close()
                learned = state.carrying.learned if state and state.carrying else None
                state = (learned and self._read(learned)) or State(self.collection, None, self._on_forgotten)
                self._state = state
        state.catch_up()
        return state

    def _read(self, learned: Learned) -> State | None:
        """What is known with what was learned, unless that may hold what was deleted since."""
        fresh = State(self.collection, learned, self._on_forgotten)
        with self.collection.interactions.since(learned.sequence) as recorded:
            if not recorded.anew:
                return fresh
        fresh.close()
        return None

    @property
    def has_learned(self) -> bool:
        """Whether it goes by what was learned, as of the commits that were worked in. Does not block."""
        state = self._state
        return state is not None and state.carrying is not None

    def learned_sequence(self) -> int:
        """The commit up to which was learned; 0 where nothing was that still holds."""
        carrying = self.state().carrying
        return carrying.learned.sequence if carrying else 0

    def changed(self) -> tuple[int, int]:
        """Interactions that have changed since it learned, or was first asked; and how many there are that count."""
        state = self.state()
        return state.changes, int(state.popularity.counts(len(state.items)).sum())

    def recommend(self, ask: Ask) -> Answer:
        """Recommends.

        Raises:
            NotFound: a record among the examples does not exist.
        """
        state = self.state()
        for example in ask.examples:
            number = state.items.number(example.record) if example.record else None
            if example.record and (number is None or not state.items.alive[number]):
                name = self.collection.config.id
                raise NotFound(f"collection {name!r} has no record {example.record[:80]!r}, which is an example")
        history = self._history(ask.user)
        counting = [each for each in history if ask.kinds is None or each.kind in ask.kinds]
        known = taste(state.items, islice(counting, MOST_HISTORY), ask.examples, ask.half_life_seconds)
        scored = score(state, known, ask.strategy, ask.half_life_seconds, ask.slot, parts=ask.explain)
        return self._answer(ask, state, history, known, scored)

    def _answer(self, ask: Ask, state: State, history: Sequence[Interaction], known: Taste, scored: Scored) -> Answer:
        scores = scored.scores
        candidates, why = self._candidates(ask, state, history)
        if ask.min_score is not None:
            high = scores >= ask.min_score
            if candidates.any() and not (candidates & high).any():
                top = float(scores[candidates].max())
                why = f"no record has a score of at least {ask.min_score:g}; the highest is {top:.4g}"
            candidates &= high
        items = state.items
        places, groups = ranking.arranged(
            scores,
            candidates,
            ask.offset + ask.limit,
            ask.diversity,
            items.matrix[:, : items.features.vector_width],
            ask.grouping,
            lambda found: self._groups(state, found, ask),
        )
        chosen = places[ask.offset :]
        answer = Answer(
            ids=[items.record_ids[place] for place in chosen.tolist()],
            scores=scores[chosen],
            strategy=scored.strategy,
            known_count=known.count,
            sequence=state.sequence,
            learned_sequence=state.carrying.learned.sequence if state.carrying else 0,
            notes=scored.notes,
            groups=list(groups[ask.offset :]),
        )
        if ask.user and not history:
            answer.notes.insert(0, f"nothing is known of user {ask.user[:80]!r}; what suits anybody is answered")
        if len(chosen) < ask.limit:
            answer.notes.append(_too_few(len(chosen), len(places), ask, why))
        if ask.payloads:
            answer.payloads = self._payloads(answer.ids, ask)
        if ask.explain:
            answer.reasons = _reasons(ask, state, known, scored, chosen)
        return answer

    def _candidates(self, ask: Ask, state: State, history: Sequence[Interaction]) -> tuple[NDArray[np.bool_], str]:
        """Which items may be recommended, and what left none where none are left."""
        items = state.items
        candidates = items.alive.copy()
        if not candidates.any():
            return candidates, "the collection has no records"
        if ask.expression is not None:
            candidates &= np.isin(items.rows, self.collection.matching_rows(ask.expression))
            if not candidates.any():
                return candidates, "the filter lets no record through"
        seen = [] if ask.include_seen else [each.record for each in history]
        seen += [] if ask.include_seen else [each.record for each in ask.examples if each.record]
        numbers = [number for each in (*seen, *ask.excluded) if (number := items.number(each)) is not None]
        candidates[np.array(numbers, np.int64)] = False
        why = "all records that may be recommended are seen, examples or excluded; include_seen lets the former through"
        return candidates, why

    def _history(self, user: str) -> list[Interaction]:
        """The newest interactions of a user, newest first."""
        return self.collection.interactions.of_user(user, MOST_SEEN)[0] if user else []

    def _groups(self, state: State, places: NDArray[np.int64], ask: Ask) -> list[bytes | None]:
        assert ask.grouping
        ids = [state.items.record_ids[int(place)] for place in places]
        records = self.collection.get(ids)
        return [
            first_value(found.payload, ask.grouping.path) or b"" if isinstance(found, Record) else None
            for found in map(records.get, ids)
        ]

    def _payloads(self, ids: Sequence[str], ask: Ask) -> list[bytes]:
        records = self.collection.get(ids)
        tree = tree_of(ask.payload_fields) if ask.payload_fields else None
        payloads: list[bytes] = []
        for each in ids:
            found = records.get(each)
            if isinstance(found, DataDamaged):
                raise found
            payload = found.payload or b"{}" if found else b"{}"
            payloads.append(selected(payload, tree) if tree else payload)
        return payloads


def _too_few(count: int, found: int, ask: Ask, why: str) -> str:
    if not found:
        return f"nothing is recommended: {why}"
    if not count:
        return f"nothing is recommended behind the offset {ask.offset}: there are {found} in all"
    return f"{count} instead of {ask.limit}: no more records may be recommended"


def _reasons(ask: Ask, state: State, known: Taste, scored: Scored, chosen: NDArray[np.int64]) -> list[Reason]:
    """What gave the scores: parts of the strategies, and how much lower scores are without each example."""
    strongest = np.argsort(-np.abs(known.weights), kind="stable")[:_EXPLAINED]
    scores = scored.scores[chosen]
    lost: dict[str, NDArray[np.float32]] = {}
    for place in strongest.tolist() if known.count > 1 else ():
        rest = score(state, known.without(place), scored.strategy, ask.half_life_seconds, ask.slot, parts=False)
        lost[state.items.record_ids[int(known.items[place])]] = scores - rest.scores[chosen]
    reasons: list[Reason] = []
    for row, item in enumerate(chosen.tolist()):
        strategies = {strategy: float(part[item]) for strategy, part in scored.parts.items()}
        examples = {record: float(each[row]) for record, each in lost.items()}
        told = sorted(examples.items(), key=lambda each: -abs(each[1]))[:_EXAMPLES_TOLD]
        reasons.append(Reason(dict(sorted(strategies.items(), key=lambda each: -each[1])), dict(told)))
    return reasons
