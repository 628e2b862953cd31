"""Recommending, written once for both clients; documented where it is called, in `Client`."""

from typing import Unpack

from frostline.client._caller import Caller
from frostline.client._from_wire_recommendations import recommendations_of
from frostline.client._to_wire_recommendations import RecommendOptions, recommend_request
from frostline.client.recommendations import Recommendations


class RecommendationCalls(Caller):
    """Recommends records."""

    async def recommend(
        self, collection: str, *, timeout_seconds: float | None = None, **options: Unpack[RecommendOptions]
    ) -> Recommendations:
        """Recommends records; see `Client.recommend`."""
        request = recommend_request(collection, **options)
        answer = await self._call(self._transport.recommendations.Recommend, request, timeout_seconds)
        return recommendations_of(answer)
