import math
import random

import numpy as np
import pytest

from frostline.server.collections.filters.geography import Point, distance_meters, latitudes_within, within


@pytest.mark.parametrize(
    ("one", "other", "meters"),
    [
        (Point(0, 0), Point(0, 1), 111195.08),
        (Point(0, 179.5), Point(0, -179.5), 111195.08),
        (Point(90, 0), Point(90, 123), 0),
        (Point(90, 0), Point(-90, 0), 20015114.44),
        (Point(52.52, 13.405), Point(48.8566, 2.3522), 877463.3),  # Berlin and Paris
    ],
)
def test_measures_great_circles(one, other, meters):
    assert distance_meters(one, other) == pytest.approx(meters, rel=1e-5, abs=1e-6)


def test_the_rim_of_a_circle_is_where_single_distances_put_it():
    dice = random.Random(4)
    for scale in (1e-6, 1e-3, 1, 90):
        center = Point(dice.uniform(-90, 90), dice.uniform(-180, 180))
        for _ in range(500):
            latitude = min(90.0, max(-90.0, center.latitude + dice.uniform(-scale, scale)))
            point = Point(latitude, dice.uniform(-180, 180) if scale > 1 else center.longitude + scale * dice.random())
            place = np.array([point.latitude]), np.array([point.longitude])
            distance = distance_meters(center, point)
            assert within(*place, center, distance).all()
            assert not within(*place, center, math.nextafter(distance, -1)).any()
            south, north = latitudes_within(center, distance)
            assert south <= point.latitude <= north


def test_the_farthest_point_is_within_half_the_way_round():
    for latitude in np.linspace(-90, 90, 181).tolist():
        center, opposite = Point(latitude, 10.0), Point(-latitude, -170.0)
        distance = distance_meters(center, opposite)
        found = within(np.array([opposite.latitude]), np.array([opposite.longitude]), center, distance)
        assert found.all()
