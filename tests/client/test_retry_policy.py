from hypothesis import given
from hypothesis import strategies as st

from frostline.client import InvalidInput, Overloaded, Retry, StorageFull, Unavailable

RETRY = Retry(attempts=5, initial_seconds=0.1, maximum_seconds=1.0)
DEAD = Unavailable("gone")


def test_pauses_double_up_to_the_longest():
    retry = Retry(attempts=10, initial_seconds=0.1, maximum_seconds=1.0)
    pauses = [retry.pause(DEAD, failures, 100.0, chance=1.0) for failures in range(1, 7)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_jitter_is_full():
    assert RETRY.pause(DEAD, 3, 100.0, chance=0.0) == 0.0
    assert RETRY.pause(DEAD, 3, 100.0, chance=0.5) == 0.2


def test_attempts_are_counted():
    assert RETRY.pause(DEAD, 4, 100.0, 0.5) is not None
    assert RETRY.pause(DEAD, 5, 100.0, 0.5) is None


def test_a_pause_past_the_deadline_is_not_begun():
    assert RETRY.pause(DEAD, 1, remaining_seconds=0.05, chance=1.0) is None
    assert RETRY.pause(DEAD, 1, remaining_seconds=0.05, chance=0.1) is not None


def test_overload_is_tried_again_only_with_a_hint_and_not_before_it():
    assert RETRY.pause(Overloaded("full"), 1, 100.0, 0.5) is None
    assert RETRY.pause(Overloaded("full", retry_after_seconds=3.0), 1, 100.0, 0.0) == 3.0
    assert RETRY.pause(Overloaded("full", retry_after_seconds=3.0), 1, 2.0, 0.0) is None


def test_nothing_else_is_tried_again():
    for error in (InvalidInput("no"), StorageFull("full"), InvalidInput("no", retry_after_seconds=1.0)):
        assert RETRY.pause(error, 1, 100.0, 0.5) is None


@given(
    failures=st.integers(1, 60),
    remaining=st.floats(-10, 1000),
    chance=st.floats(0, 1),
    hint=st.none() | st.floats(0, 100),
)
def test_a_pause_is_always_between_the_hint_and_the_deadline(failures, remaining, chance, hint):
    pause = Retry(attempts=50).pause(Unavailable("gone", retry_after_seconds=hint), failures, remaining, chance)
    assert pause is None or (hint or 0.0) <= pause < remaining
