import numpy as np

from frostline.server.recommendations.histories import MAX_RELATIVE_WEIGHT, Liked, LikedBuilder


def _built(interactions, items=("a", "b", "c")) -> Liked:
    builder = LikedBuilder({item: number for number, item in enumerate(items)})
    builder.add(interactions)
    return builder.build()


def test_kinds_add_up_and_what_is_not_liked_is_left_out() -> None:
    liked = _built(
        [
            ("u", "a", 1.0, 5.0),
            ("u", "a", 2.0, 3.0),
            ("u", "b", 1.0, 1.0),
            ("u", "b", -1.0, 9.0),
            ("v", "c", 1.0, 2.0),
            ("v", "gone", 7.0, 2.0),
            ("w", "c", -1.0, 2.0),
        ]
    )
    assert liked.users.tolist() == [0, 1]
    assert liked.items.tolist() == [0, 2]
    assert liked.weights.tolist() == [1.5, 0.5]
    assert liked.times.tolist() == [5.0, 2.0]
    assert (liked.user_count, liked.item_count) == (3, 3)
    assert liked.matrix().toarray().tolist() == [[1.5, 0, 0], [0, 0, 0.5], [0, 0, 0]]
    assert liked.counts().tolist() == [1, 0, 1]


def test_weights_far_from_the_average_stay_in_bounds() -> None:
    liked = _built([(f"u{number}", "a", 1.0, 0.0) for number in range(50)] + [("big", "a", 1e9, 0.0)])
    assert liked.weights.max() == MAX_RELATIVE_WEIGHT
    tiny = _built([("u", "a", 1e-300, 0.0), ("v", "a", 1e9, 0.0)])
    assert (tiny.weights > 0).all()


def test_histories_come_earliest_first() -> None:
    liked = _built([("u", "c", 1, 3.0), ("v", "a", 1, 9.0), ("u", "a", 1, 1.0), ("u", "b", 1, 2.0), ("v", "b", 1, 8.0)])
    assert [(user, items.tolist()) for user, items, _ in liked.histories()] == [(0, [0, 1, 2]), (1, [1, 0])]


def test_no_interactions_have_no_histories() -> None:
    for liked in (_built([]), _built([], items=()), _built([("u", "a", -1.0, 0.0)])):
        assert list(liked.histories()) == []
        assert not liked.counts().any()
        assert liked.matrix().shape == (liked.user_count, liked.item_count)


def test_some_users_keep_their_numbers_and_some_items_get_new_ones() -> None:
    liked = _built([("u", "a", 1, 1.0), ("v", "b", 1, 2.0), ("v", "c", 1, 3.0)])
    of_users = liked.of_users(np.array([1]))
    assert of_users.users.tolist() == [1, 1]
    assert of_users.user_count == 2
    of_items = liked.of_items(np.array([2, 0]))
    assert of_items.items.tolist() == [1, 0]
    assert of_items.users.tolist() == [0, 1]
    assert of_items.times.tolist() == [1.0, 3.0]
    assert of_items.item_count == 2
