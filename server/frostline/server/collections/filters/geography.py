"""Points on the earth and the distance between them.

A point is an object `{"lat": degrees, "lon": degrees}`; further keys are ignored.
"""

import math
from typing import Any, NamedTuple, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_METERS = 6_371_008.8
"""The mean radius of WGS 84's ellipsoid; distances on the sphere are off by at most 0.6 %."""
_MARGIN = 1e-6
"""By how much numpy's and Python's sines could put a distance apart: far more than they do, in metres for each metre,
and as much again in metres, for points close together or opposite."""


class Point(NamedTuple):
    """A place in degrees: latitude -90 to 90, longitude -180 to 180."""

    latitude: float
    longitude: float


def read_point(value: Any) -> Point | None:  # noqa: ANN401 (any JSON)
    """Reads a point out of a payload; None where the value is none."""
    if not isinstance(value, dict):
        return None
    place = cast("dict[str, object]", value)
    latitude, longitude = place.get("lat"), place.get("lon")
    if not is_degrees(latitude, 90) or not is_degrees(longitude, 180):
        return None
    return Point(float(latitude), float(longitude))


def is_degrees(value: object, limit: int) -> TypeGuard[float]:
    """Whether a value is a number from -limit to limit."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -limit <= value <= limit


def distance_meters(one: Point, other: Point) -> float:
    """The distance along a great circle.

    Source: R. W. Sinnott, Virtues of the Haversine, Sky and Telescope 68 (1984).
    """
    latitude, other_latitude = math.radians(one.latitude), math.radians(other.latitude)
    north = math.sin((other_latitude - latitude) / 2)
    east = math.sin(math.radians(other.longitude - one.longitude) / 2)
    haversine = north * north + math.cos(latitude) * math.cos(other_latitude) * east * east
    return 2 * EARTH_RADIUS_METERS * math.asin(math.sqrt(min(1.0, haversine)))


def latitudes_within(center: Point, radius_meters: float) -> tuple[float, float]:
    """The southernmost and northernmost latitude a circle can reach, in degrees, with a margin for rounding."""
    reach = math.degrees(radius_meters * (1 + _MARGIN) / EARTH_RADIUS_METERS) + _MARGIN
    return center.latitude - reach, center.latitude + reach


def within(
    latitudes: NDArray[np.float64], longitudes: NDArray[np.float64], center: Point, radius_meters: float
) -> NDArray[np.bool_]:
    """Says for each point whether it is at most a radius away, exactly as `distance_meters` says it.

    Args:
        latitudes: of shape (n,), in degrees.
        longitudes: of shape (n,), in degrees.
        center: of the circle.
        radius_meters: at least 0.

    Returns:
        bool of shape (n,).
    """
    latitude = math.radians(center.latitude)
    radians = np.radians(latitudes)
    north = np.sin((radians - latitude) / 2)
    east = np.sin(np.radians(longitudes - center.longitude) / 2)
    haversine = north * north + np.cos(radians) * math.cos(latitude) * east * east
    distances = 2 * EARTH_RADIUS_METERS * np.arcsin(np.sqrt(np.minimum(1.0, haversine)))
    inside = distances <= radius_meters
    # Close to the rim, and close to the antipode where the arc sine is steep, Python's own sines decide.
    steep = haversine > 1 - _MARGIN
    doubtful = steep | (np.abs(distances - radius_meters) <= _MARGIN * (1 + radius_meters))
    for place in np.flatnonzero(doubtful).tolist():
        point = Point(float(latitudes[place]), float(longitudes[place]))
        inside[place] = distance_meters(center, point) <= radius_meters
    return inside
