import pytest

from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import InUse, InvalidInput, NotFound, NotReady
from frostline.server.heads.versions import KEPT, Asked, Head, HeadConfig, State, Version


def config(description=""):
    return HeadConfig(description=description, space=EmbeddingSpace.plain(16))


def begun(head, description=""):
    return head.with_version(Version.begun(head.next_number, config(description)))


def first():
    return Head("x", (Version.begun(1, config("1")),))


def ready(head):
    return head.finished(head.versions[0], 2.5)


def with_ready(count):
    head = ready(first())
    for number in range(2, count + 1):
        head = ready(begun(head, str(number)))
    return head


def test_the_newest_ready_version_serves():
    head = with_ready(2)
    assert [each.number for each in head.versions] == [2, 1]
    assert (head.serving, head.version().number, head.version(1).number) == (2, 2, 1)
    assert head.versions[0].train_seconds == 2.5


def test_the_earlier_version_serves_until_the_new_one_is_ready():
    head = begun(with_ready(1), "new")
    assert (head.serving, head.config.description) == (1, "1")
    with pytest.raises(InUse, match="version 2 of head 'x' is being trained"):
        head.expect_idle()
    with pytest.raises(InUse, match="version 2 of head 'x' is being trained"):
        head.ready_version(2)
    head = head.failed(head.versions[0], "no luck")
    assert (head.serving, head.versions[0].state, head.versions[0].failure) == (1, State.FAILED, "no luck")
    head.expect_idle()
    with pytest.raises(NotReady, match="version 2 of head 'x' failed: no luck"):
        head.ready_version(2)


def test_a_head_without_a_ready_version_says_why():
    with pytest.raises(InUse, match="being trained for the first time"):
        first().ready_version()
    with pytest.raises(NotReady, match="version 1 failed: no luck"):
        first().failed(first().versions[0], "no luck").ready_version()
    with pytest.raises(NotFound, match="no version 3; it has 2, 1"):
        with_ready(2).ready_version(3)


def test_a_rollback_goes_to_the_ready_version_before():
    head = with_ready(4)
    head = head.failed(head.version(3), "damaged")
    head = head.rolled_back()
    assert head.serving == 2
    assert head.rolled_back().serving == 1
    assert head.rolled_back(4).serving == 4
    with pytest.raises(NotReady, match="no ready version before version 1"):
        head.rolled_back().rolled_back()
    with pytest.raises(NotReady, match="version 3 of head 'x' is failed; those that are ready: 4, 2, 1"):
        head.rolled_back(3)


def test_where_the_serving_version_fails_the_one_before_serves_or_else_the_latest():
    head = with_ready(3).rolled_back(2)
    head = head.failed(head.version(2), "damaged")
    assert head.serving == 1
    head = head.failed(head.version(1), "damaged")
    assert head.serving == 3
    assert head.failed(head.version(3), "damaged").serving == 0


def test_the_last_versions_and_the_serving_one_are_kept():
    head = with_ready(2).rolled_back(1)
    for _ in range(KEPT + 3):
        head = begun(head)
        head = head.failed(head.versions[0], "no luck")
    assert [each.number for each in head.versions] == [*range(15, 5, -1), 1]
    assert head.next_number == 16
    head = ready(begun(head))
    assert [each.number for each in head.versions] == [*range(16, 6, -1), 1]
    assert head.rolled_back().serving == 1
    assert [each.number for each in ready(begun(head)).versions] == list(range(17, 7, -1))


def test_a_request_that_is_sent_again_is_known_and_another_of_its_id_is_refused():
    config = HeadConfig(space=EmbeddingSpace.plain(2))
    asked = Asked(request_id="one", digest="abc")
    head = Head("x", (Version.begun(2, config), Version.begun(1, config, asked)))
    assert head.answers(asked)
    assert not head.answers(Asked(request_id="two", digest="abc"))
    assert not head.answers(Asked())
    with pytest.raises(InvalidInput, match="request id 'one' was used for another request"):
        head.answers(Asked(request_id="one", digest="xyz"))
