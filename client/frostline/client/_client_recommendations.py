"""The part of `Client` that recommends records."""

from collections.abc import Mapping, Sequence
from typing import Any

from frostline.client._blocking import run
from frostline.client._operations import Operations
from frostline.client.recommendations import Recommendations, Strategy, Weighted


class RecommendationMethods:
    """Recommends records."""

    _operations: Operations

    def recommend(
        self,
        collection: str,
        *,
        user: str | None = None,
        profile: str | None = None,
        positives: Sequence[str | Weighted] = (),
        negatives: Sequence[str | Weighted] = (),
        limit: int | None = None,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        offset: int = 0,
        include_seen: bool = False,
        excluded_ids: Sequence[str] = (),
        min_score: float | None = None,
        strategy: Strategy | str = Strategy.AUTO,
        diversity: float = 0.0,
        group_by: str = "",
        max_per_group: int = 1,
        half_life_seconds: float | None = None,
        kinds: Sequence[str] | None = None,
        include_payloads: bool = True,
        payload_fields: Sequence[str] = (),
        vector_name: str = "",
        explain: bool = False,
        min_sequence: int = 0,
        min_learned_sequence: int = 0,
        timeout_seconds: float | None = None,
    ) -> Recommendations:
        """Recommends records to a user, to somebody never seen, beside examples, or to anybody.

        What is given counts together; with no user, profile or example, records are recommended that suit anybody.

        Args:
            collection: its name.
            user: whose interactions count, as they are now. One of whom nothing is known is recommended what suits
                anybody, unless there is a profile or an example.
            profile: what somebody likes, in words; counts as one example more.
            positives: examples to come close to: ids of records, or `Weighted` records, texts, images and vectors; with
                `negatives` at most 1,000.
            negatives: examples to stay away from; their weights are above 0 too.
            limit: the most recommendations, at most 1,000; 10 when None.
            filter: which records may be recommended, see `search`.
            parameters: values of the parameters in the filter, see `search`.
            offset: recommendations to pass over; together with `limit` at most 10,000.
            include_seen: whether records that the user has interactions with, and examples, may be recommended.
            excluded_ids: records not to recommend, at most 10,000.
            min_score: the lowest score; what scores mean depends on the strategy.
            strategy: how records are scored, a `Strategy` or its value.
            diversity: from 0 to 1, how much recommendations shall differ from those before them (maximal marginal
                relevance).
            group_by: path of a payload field whose values make groups, of which few records are let through.
            max_per_group: the most recommendations of a group.
            half_life_seconds: after so long an interaction counts half; without decay when None.
            kinds: kinds of the user's interactions that count, at most 100, the empty one among them where it is meant;
                all when None.
            include_payloads: whether to get payloads.
            payload_fields: the paths of payloads to get; all when empty.
            vector_name: which vector records are compared by; when empty the mean over all of them, and for texts,
                images and vectors among the examples the collection's first.
            explain: whether to get `reasons`: which strategy gave how much, and which examples carried it.
            min_sequence: waits until this commit is there: with the `sequence` of a write, that write counts.
            min_learned_sequence: waits until what is learned in the background (`Strategy.EASE` and others) has learned
                from this commit; begins to learn at once where it has not. May need a longer `timeout_seconds`.
            timeout_seconds: see `Client`.

        Returns:
            The recommendations, best first, with `strategy`, `known_count`, `notes`, `sequence`, `learned_sequence` and
            `timings`. `notes` say why there are none, or fewer than asked for.

        Raises:
            InvalidInput: an option is unknown or out of range, an example cannot be embedded or has another dimension,
                or the filter cannot be read.
            NotFound: there is no such collection, vector, or record among the examples.
        """
        return run(
            self._operations.recommend(
                collection,
                user=user,
                profile=profile,
                positives=positives,
                negatives=negatives,
                limit=limit,
                filter=filter,
                parameters=parameters,
                offset=offset,
                include_seen=include_seen,
                excluded_ids=excluded_ids,
                min_score=min_score,
                strategy=strategy,
                diversity=diversity,
                group_by=group_by,
                max_per_group=max_per_group,
                half_life_seconds=half_life_seconds,
                kinds=kinds,
                include_payloads=include_payloads,
                payload_fields=payload_fields,
                vector_name=vector_name,
                explain=explain,
                min_sequence=min_sequence,
                min_learned_sequence=min_learned_sequence,
                timeout_seconds=timeout_seconds,
            )
        )
