import grpc
import pytest

from fake_calls import fails
from fake_interactions import NOW
from frostline.client import Deleted, Interaction, InvalidInput
from frostline.client._caller import WINDOW


def did(user="u", record="a", weight=1.0, time=5.0, kind=""):
    return Interaction(user, record, weight, time, kind)


def test_interactions_come_back_as_they_went(client):
    sent = [did("ü", "a", -2.5, 1.7e9 + 0.1, "like"), did("v", "b", 0.0, -0.5), did("v", time=None)]
    recorded = client.record_interactions("notes", sent)
    assert (recorded.count, recorded.errors, recorded.sequence) == (3, {}, 1)
    got = list(client.list_interactions("notes"))
    assert got[:2] == sent[:2]
    assert (got[2].time, got[2].sequence) == (NOW, 1)


def test_long_iterables_are_cut_and_errors_count_through(fake, client):
    ahead = []

    def many():
        for number in range(50):
            ahead.append(number + 1 - len(fake.interactions))
            yield did(str(number), "none" if number in (7, 41) else "a")

    recorded = client.record_interactions("notes", many(), batch_size=4)
    assert (recorded.count, list(recorded.errors), recorded.sequence) == (48, [7, 41], 13)
    assert recorded.errors[41].reason == "NOT_FOUND"
    assert len(fake.of("StreamRecordInteractions")) == 13
    assert max(ahead) <= (WINDOW + 1) * 4 + 3
    assert client.record_interactions("notes", []).count == 0


def test_what_is_sent_again_is_recorded_once(fake, client):
    fake.breaks["StreamRecordInteractions"].append(2)
    recorded = client.record_interactions("notes", (did(str(number)) for number in range(20)), batch_size=2)
    assert (recorded.count, recorded.sequence, len(fake.recorded)) == (20, 10, 10)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (did(weight=float("nan")), "user 'u' with record 'a': weight nan is no finite number"),
        (did(weight="5"), "weight '5'"),
        (did(time=float("inf")), "time inf"),
        (did(time=1e300), r"time 1e\+300 is out of range"),
        (did(user=7), "user 7 .*7 is no str"),
        (did(record="\ud800"), "no Unicode"),
        (did(kind=None), "None is no str"),
    ],
)
def test_an_interaction_that_cannot_be_sent_is_named(fake, client, bad, says):
    with pytest.raises(InvalidInput, match=says):
        client.record_interactions("notes", [did(), bad])
    assert fake.interactions == {}


def test_one_is_no_list(client):
    with pytest.raises(InvalidInput, match="one Interaction was passed"):
        client.record_interactions("notes", did())
    for wrong in ({"records": "abc"}, {"kinds": "like"}):
        with pytest.raises(InvalidInput, match="one str was passed"):
            client.delete_interactions("notes", user="u", **wrong)


def test_interactions_are_listed_page_by_page_as_they_are_taken(fake, client):
    client.record_interactions("notes", [did("u", str(number), time=number) for number in range(5)])
    client.record_interactions("notes", [did("v", time=9)])
    listed = client.list_interactions("notes", user="u")
    assert next(listed).record == "4"
    assert len(fake.of("ListInteractions")) == 1
    assert [each.record for each in listed] == ["3", "2", "1", "0"]
    assert (client.count_interactions("notes"), client.count_interactions("notes", user="v")) == (6, 1)


def test_interactions_are_deleted(fake, client):
    client.record_interactions("notes", [did("u", name, time=time) for time, name in enumerate("abcd")])
    client.record_interactions("notes", [did("v", "a", time=2, kind="like"), did("v", "b", time=0.5)])
    assert client.delete_interactions("notes", user="v", kinds=["like"]) == Deleted(1, 9)
    assert client.delete_interactions("notes", user="u", records=["a", "b"], start=1).count == 1
    assert client.delete_interactions("notes", start=2, end=3).count == 1
    fake.requests.clear()
    assert client.delete_interactions("notes", user="u", records=[]).count == 0
    assert fake.requests == []
    assert client.delete_user("notes", "u").count == 2
    assert [each.user for each in client.list_interactions("notes")] == ["v"]


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({}, "name a user"),
        ({"records": ["a"]}, "name a user"),
        ({"user": ""}, "user is empty"),
        ({"user": "", "start": 1}, "user is empty"),
        ({"user": "u", "kinds": []}, "kinds is empty"),
        ({"end": float("nan")}, "end nan"),
    ],
)
def test_nobody_deletes_more_than_was_meant(fake, client, conditions, says):
    with pytest.raises(InvalidInput, match=says):
        client.delete_interactions("notes", **conditions)
    assert fake.requests == []
    with pytest.raises(InvalidInput, match="user is empty"):
        list(client.list_interactions("notes", user=""))


def test_retries_keep_their_request_id(fake, client):
    unavailable = fails(code=grpc.StatusCode.UNAVAILABLE)
    for method in ("RecordInteractions", "DeleteInteractions", "DeleteUser"):
        fake.faults[method].append(unavailable)
    client.record_interactions("notes", [did()])
    client.delete_interactions("notes", user="u")
    client.delete_user("notes", "u")
    for method in ("RecordInteractions", "DeleteInteractions", "DeleteUser"):
        first, second = fake.of(method)
        assert first.request_id == second.request_id != ""


async def test_the_asyncio_client_does_the_same(aclient):
    async def several():
        for number in range(3):
            yield did(str(number))

    assert (await aclient.record_interactions("notes", several(), batch_size=1)).count == 3
    assert [each.user async for each in aclient.list_interactions("notes")] == ["0", "1", "2"]
    assert await aclient.count_interactions("notes", user="1") == 1
    assert (await aclient.delete_interactions("notes", end=6)).count == 3
    assert (await aclient.delete_user("notes", "0")).count == 0
