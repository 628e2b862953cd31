import numpy as np
import pytest

from fake_encoders import DIMENSIONS, embedding
from frostline.client import Deleted, Embeddings, InvalidInput, PayloadPatch, Record, Timings
from frostline.client._caller import WINDOW, WRITE_WINDOW, _Pipe
from frostline.v1 import embedding_pb2 as v1

EYE = np.eye(DIMENSIONS, dtype=np.float32)


@pytest.fixture
def notes(client) -> str:
    client.create_collection("notes", encoder="tiny")
    return "notes"


def records(count: int) -> list[Record]:
    return [Record(str(number), text=f"note {number}", payload={"n": number}) for number in range(count)]


def test_a_record_comes_back_as_it_went(client, notes):
    sent = [
        Record("ü", text="Füße 🦶", payload={"ä": [1, None, {"b": True}], "f": 0.1}),
        Record("image", image=b"\x00\xff", payload={}),
        Record("vector", vector=EYE[0].astype(np.float64)),
    ]
    client.upsert(notes, sent)
    got = client.get(notes, ["ü", "image", "vector"], include_content=True, include_vectors=True)
    assert [(r.id, r.text, r.image, r.payload) for r in got] == [(r.id, r.text, r.image, r.payload) for r in sent]
    np.testing.assert_array_equal(got[0].vector, embedding("Füße 🦶".encode()))
    np.testing.assert_array_equal(got[2].vector, EYE[0])
    assert got[0].space is not None
    bare = client.get(notes, ["ü"])[0]
    assert (bare.text, bare.vector, bare.space, bare.sequence) == (None, None, None, 1)


def test_records_that_are_equal_but_for_vector_and_sequence_are_equal():
    assert Record("a", text="b", sequence=1) == Record("a", text="b", vector=EYE[0], sequence=2)
    assert Record("a", text="b") != Record("a", text="c")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Record("r7", payload={"x": float("nan")}), "'r7': payload .*not JSON compliant"),
        (Record("r7", payload={"x": float("inf")}), "'r7': payload .*not JSON compliant"),
        (Record("r7", payload={"x": {1, 2}}), "'r7': payload .*not JSON serializable"),
        (Record("r7", payload=[1, 2]), "'r7': payload"),
        (Record("r7", payload={"x": "\ud800"}), "'r7': payload"),
        (Record("r7", text="\ud800"), "'r7': text .* no Unicode"),
        (Record("r7", vector=np.ones(2), vectors={"photo": [1.0]}), "'r7': a vector must be a numpy array"),
        (Record("r7", text="a", expected_sequence=-1), "'r7': expected_sequence -1"),
        (Record("r7", text=7), "'r7'"),
        (Record("r7", vector=np.ones((2, 2))), "'r7': a vector of shape"),
        (Record("r7", vector=[1.0, 2.0]), "'r7'"),
        (Record(7, text="a"), "record 7"),
    ],
)
def test_a_record_that_cannot_be_sent_is_named(fake, client, notes, record, message):
    with pytest.raises(InvalidInput, match=message):
        client.upsert(notes, [Record("fine", text="x"), record])
    assert fake.written == []


def test_records_are_cut_by_number_and_size_and_errors_count_through(fake, client, notes):
    sent = records(5)
    sent[3] = Record("3", text="bad")
    result = client.upsert(notes, sent, batch_size=2)
    assert (result.count, list(result.errors), result.sequence) == (4, [3], 3)
    assert result.errors[3].index == 3
    assert result.timings == Timings(write_seconds=0.75)
    fake.requests.clear()
    client.upsert(notes, [Record(str(n), image=bytes(1_000_000)) for n in range(7)])
    assert [len(request.records) for request in fake.of("StreamUpsertRecords")] == [3, 3, 1]


def test_an_iterable_is_read_as_it_is_sent(fake, client, notes):
    ahead = []

    def endless():
        for number in range(200):
            ahead.append(number + 1 - sum(map(len, fake.written)))
            yield Record(str(number), text="x")

    assert client.upsert(notes, endless(), batch_size=5).count == 200
    assert max(ahead) <= (WINDOW + 1) * 5 + 1


@pytest.mark.parametrize(("payload", "ahead"), [({}, WRITE_WINDOW), ({"x": "y" * 3_200_000}, WINDOW)])
def test_small_vectors_are_sent_further_ahead_than_large_payloads(client, notes, monkeypatch, payload, ahead):
    most = 0
    send = _Pipe.send

    def counted(pipe, request):
        nonlocal most
        send(pipe, request)
        most = max(most, len(pipe.unanswered))

    monkeypatch.setattr(_Pipe, "send", counted)
    count = 2 * WRITE_WINDOW
    written = client.upsert_vectors(
        notes, list(map(str, range(count))), np.ones((count, DIMENSIONS)), [payload] * count, batch_size=1
    )
    assert (written.count, most) == (count, ahead)


def test_large_payloads_after_small_ones_are_not_sent_further_ahead(client, notes, monkeypatch):
    ahead = []
    send = _Pipe.send

    def noted(pipe, request):
        send(pipe, request)
        ahead.append(len(pipe.unanswered))

    monkeypatch.setattr(_Pipe, "send", noted)
    payloads = [{}] * 20 + [{"x": "y" * 3_200_000}] * 8
    client.upsert_vectors(notes, list(map(str, range(28))), np.ones((28, DIMENSIONS)), payloads, batch_size=1)
    assert max(ahead) > WINDOW
    assert max(ahead[-3:]) <= WINDOW


def test_batches_are_answered_one_by_one_and_taken_a_few_ahead(fake, client, notes):
    taken = []

    def batches():
        for number in range(12):
            taken.append(number)
            yield [Record(f"{number}-{part}", text="bad" if part == number else "x") for part in range(3)]

    answers = client.upsert_batches(notes, batches())
    assert taken == []
    first = next(answers)
    assert len(taken) == WINDOW
    rest = list(answers)
    assert [list(answer.errors) for answer in [first, *rest]] == [[0], [1], [2]] + [[]] * 9
    assert [answer.count for answer in [first, *rest]] == [2, 2, 2] + [3] * 9
    assert [answer.sequence for answer in [first, *rest]] == list(range(1, 13))


def test_a_batch_above_the_message_limit_has_one_answer(fake, client, notes):
    large = [Record(str(n), image=bytes(1_000_000)) for n in range(7)] + [Record("b", text="bad")]
    answers = list(client.upsert_batches(notes, [records(2), large, []]))
    assert [(answer.count, list(answer.errors)) for answer in answers] == [(2, []), (7, [7]), (0, [])]
    assert len(fake.of("StreamUpsertRecords")) == 5


async def test_batches_may_be_asynchronous(aclient, notes):
    async def batches():
        yield records(3)
        yield records(2)

    assert [answer.count async for answer in aclient.upsert_batches(notes, batches())] == [3, 2]


def test_an_error_of_the_users_iterable_comes_through(client, notes):
    def broken():
        yield from records(3)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        client.upsert(notes, broken(), batch_size=1)


def test_vectors_travel_as_columns_with_their_space(fake, client, notes):
    payloads = [{"n": number} for number in range(4)]
    result = client.upsert_vectors(notes, [*"abcd"], EYE.astype(np.float64), payloads, batch_size=3)
    assert result.count == 4
    requests = fake.of("StreamUpsertRecords")
    assert [list(request.vectors.shape) for request in requests] == [[3, 4], [1, 4]]
    assert not requests[0].HasField("space")
    assert [record.payload for record in client.get(notes, [*"abcd"])] == payloads
    np.testing.assert_array_equal(client.get(notes, ["d"], include_vectors=True)[0].vector, EYE[3])
    embeddings = client.embed(["x", "y"], "tiny")
    client.upsert_vectors(notes, ["x", "y"], embeddings)
    assert fake.of("UpsertRecords")[-1].space.fingerprint == embeddings.space.fingerprint
    assert fake.of("UpsertRecords")[-1].space.pooling == v1.POOLING_MEAN


def test_a_records_vector_travels_with_its_space(fake, client, notes):
    space = client.embed(["x"], "tiny").space
    client.upsert(notes, [Record("a", vector=EYE[0], space=space), Record("b", vector=EYE[1])])
    first, second = fake.of("UpsertRecords")[-1].records
    assert first.vector.space.layer == "pooled"
    assert not second.vector.HasField("space")


def test_columns_that_do_not_fit_are_refused(client, notes):
    with pytest.raises(InvalidInput, match="3 ids, 4 vectors and no payloads"):
        client.upsert_vectors(notes, [*"abc"], EYE)
    with pytest.raises(InvalidInput, match="4 ids, 4 vectors and 1 payloads"):
        client.upsert_vectors(notes, [*"abcd"], EYE, [{}])
    with pytest.raises(InvalidInput, match=r"shape \(n, d\)"):
        client.upsert_vectors(notes, ["a"], EYE[0])
    with pytest.raises(InvalidInput, match="'b'"):
        client.upsert_vectors(notes, [*"abcd"], EYE, [{}, {"x": float("nan")}, {}, {}])


def test_failed_embeddings_are_not_stored_or_searched_for(client, notes):
    embeddings = client.embed(["a", "bad"], "tiny")
    assert isinstance(embeddings, Embeddings)
    with pytest.raises(InvalidInput, match=r"\[1\] failed"):
        client.upsert_vectors(notes, ["a", "b"], embeddings)
    with pytest.raises(InvalidInput, match=r"\[1\] failed"):
        client.search_batch(notes, embeddings)


def test_ids_are_a_list(client, notes):
    for method in (client.get, client.delete):
        with pytest.raises(InvalidInput, match="pass a list"):
            method(notes, "abc")
    with pytest.raises(InvalidInput, match="pass a list"):
        client.upsert_vectors(notes, "abcd", EYE)


def test_many_ids_are_cut(fake, client, notes):
    client.upsert(notes, records(3))
    assert len(client.get(notes, ["0", *map(str, range(10, 2500)), "2"])) == 2
    assert [len(request.ids) for request in fake.of("GetRecords")] == [1000, 1000, 492]
    fake.requests.clear()
    client.get(notes, [*map(str, range(40))], include_content=True)
    assert [len(request.ids) for request in fake.of("GetRecords")] == [32, 8]
    assert client.delete(notes, [*map(str, range(10_001))]) == Deleted(3, 3)
    assert [len(request.ids) for request in fake.of("DeleteRecords")] == [10_000, 1]


def test_records_are_listed_page_by_page_as_they_are_taken(fake, client, notes):
    client.upsert(notes, records(5))
    listed = client.list_records(notes)
    assert next(listed).id == "0"
    assert len(fake.of("ListRecords")) == 1
    assert [record.id for record in listed] == ["1", "2", "3", "4"]
    assert len(fake.of("ListRecords")) == 3


def test_a_record_may_have_text_image_and_named_vectors(fake, client, notes):
    client.upsert(notes, [Record("p", text="shirt", image=b"png", vectors={"photo": EYE[1], "mood": EYE[2]})])
    sent = fake.of("UpsertRecords")[0].records[0]
    assert (sent.text, sent.image, sorted(sent.vectors)) == ("shirt", b"png", ["mood", "photo"])
    (got,) = client.get(notes, ["p"], include_content=True, include_vectors=True)
    assert (got.text, got.image) == ("shirt", b"png")
    np.testing.assert_array_equal(got.vectors["photo"], EYE[1])
    np.testing.assert_array_equal(got.vectors["mood"], EYE[2])


def test_ready_vectors_go_to_the_vector_that_is_named(fake, client, notes):
    client.upsert_vectors(notes, [*"abcd"], EYE, vector_name="photo")
    assert fake.of("UpsertRecords")[0].vector_name == "photo"


def test_what_is_unchanged_is_passed_over_and_counted(fake, client, notes):
    client.upsert(notes, records(4))
    changed = [*records(2), Record("2", text="note 2", payload={"new": True}), Record("3", text="other")]
    again = client.upsert(notes, changed, skip_unchanged=True, batch_size=2)
    assert (again.count, again.unchanged, again.reused) == (2, 2, 1)
    first, second = client.upsert_batches(notes, [records(1), [Record("9", text="x")]], skip_unchanged=True)
    assert (first.unchanged, second.unchanged) == (1, 0)
    assert not fake.of("UpsertRecords")[0].skip_unchanged


def test_conditional_writes_are_refused_one_by_one(client, notes):
    client.upsert(notes, [Record("a", text="first")])
    written = client.upsert(
        notes,
        [
            Record("a", text="late", expected_sequence=0),
            Record("b", text="new", expected_sequence=0),
            Record("a", text="second", expected_sequence=1),
        ],
    )
    assert written.count == 2
    assert {index: (error.reason, error.code.name) for index, error in written.errors.items()} == {
        0: ("CONFLICT", "ABORTED")
    }
    assert client.get(notes, ["a"], include_content=True)[0].text == "second"


def test_payloads_are_patched(fake, client, notes):
    client.upsert(notes, records(3))
    patched = client.patch_payloads(notes, {"0": {"n": None, "price": 2.5}, "none": {}, "2": {"n": 7}})
    assert (patched.count, list(patched.errors), patched.errors[1].reason) == (2, [1], "NOT_FOUND")
    assert [record.payload for record in client.get(notes, ["0", "2"])] == [{"price": 2.5}, {"n": 7}]
    client.patch_payloads(notes, [PayloadPatch("1", {"n": 8}, expected_sequence=1)])
    asked = fake.of("PatchPayloads")[-1]
    assert (asked.patches[0].expected_sequence, asked.patches[0].patch) == (1, b'{"n":8}')
    assert len({request.request_id for request in fake.of("PatchPayloads")}) == 2
    with pytest.raises(InvalidInput, match="'1': payload"):
        client.patch_payloads(notes, {"1": {"n": float("nan")}})


def test_many_patches_are_cut_and_their_errors_counted_through(fake, client, notes):
    client.upsert(notes, records(1))
    patched = client.patch_payloads(notes, [PayloadPatch("0", {})] * 10_001 + [PayloadPatch("none", {})])
    assert [len(request.patches) for request in fake.of("PatchPayloads")] == [10_000, 2]
    assert (patched.count, list(patched.errors)) == (10_001, [10_001])


def test_records_are_read_counted_and_deleted_by_filter(client, notes):
    client.upsert(notes, records(6))
    assert [record.id for record in client.list_records(notes, filter="n > $least", parameters={"least": 2})] == [
        *"345"
    ]
    assert client.count(notes, filter="n < 2") == 2
    assert client.delete(notes, filter="n > 1 AND n < $most", parameters={"most": 4}).count == 2
    assert client.count(notes) == 4


@pytest.mark.parametrize("arguments", [{}, {"ids": ["a"], "filter": "n = 1"}, {"filter": " "}])
def test_a_deletion_names_either_ids_or_a_filter(fake, client, notes, arguments):
    with pytest.raises(InvalidInput, match="delete_collection deletes all"):
        client.delete(notes, **arguments)
    assert fake.of("DeleteRecords") == []


def test_values_of_a_field_are_counted(fake, client, notes):
    client.upsert(
        notes, [Record(str(n), text="x", payload={"color": "red" if n % 3 else None, "n": n}) for n in range(7)]
    )
    assert client.facets(notes, "color") == [("red", 4), (None, 3)]
    assert client.facets(notes, "color", filter="n > $n", parameters={"n": 3}, limit=1) == [("red", 2)]


def test_a_read_waits_for_a_commit(fake, client, notes):
    written = client.upsert(notes, records(1))
    client.get(notes, ["0"], min_sequence=written.sequence)
    assert fake.of("GetRecords")[0].min_sequence == 1
