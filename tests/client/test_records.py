import numpy as np
import pytest

from fake_server import DIMENSIONS, embedding
from frostline.client import Embeddings, InvalidInput, Record, RecordId, Timings
from frostline.client._caller import WINDOW
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
        (Record("r7", text="a", image=b"b"), "'r7': it has a text and an image"),
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
    assert client.delete(notes, [*map(str, range(10_001))]) == 3
    assert [len(request.ids) for request in fake.of("DeleteRecords")] == [10_000, 1]


def test_records_are_listed_page_by_page_as_they_are_taken(fake, client, notes):
    client.upsert(notes, records(5))
    listed = client.list_records(notes)
    assert next(listed).id == "0"
    assert len(fake.of("ListRecords")) == 1
    assert [record.id for record in listed] == ["1", "2", "3", "4"]
    assert len(fake.of("ListRecords")) == 3


def test_a_query_is_a_text_an_image_a_vector_or_a_record(fake, client, notes, tmp_path):
    (tmp_path / "query.png").write_bytes(b"note 2")
    client.upsert(notes, records(5))
    for query in ("note 2", b"note 2", tmp_path / "query.png", embedding(b"note 2")):
        hit = client.search(notes, query, limit=1)[0]
        assert (hit.id, hit.payload) == ("2", {"n": 2})
        assert hit.score == pytest.approx(1.0, abs=1e-6)
    assert "2" not in {hit.id for hit in client.search(notes, RecordId("2"))}
    kinds = [request.queries[0].WhichOneof("kind") for request in fake.of("SearchRecords")]
    assert kinds == ["text", "image", "image", "vector", "record_id"]


def test_hits_are_split_by_query_and_failures_have_none(client, notes):
    client.upsert(notes, records(3))
    results = client.search_batch(notes, ["note 0", "bad", RecordId("1")], limit=5)
    assert [len(hits) for hits in results] == [3, 0, 2]
    assert list(results.errors) == [1]
    assert results[0][0].id == "0"
    assert results.sequence == 1
    scores = [hit.score for hit in results[0]]
    assert scores == sorted(scores, reverse=True)


def test_payloads_are_left_out_on_request(fake, client, notes):
    client.upsert(notes, records(3))
    assert [hit.payload for hit in client.search(notes, "x", include_payloads=False)] == [{}, {}, {}]


def test_many_queries_are_cut_and_put_together(fake, client, notes):
    client.upsert(notes, [*records(2), Record("z", vector=EYE[0])])
    queries = ["bad" if number in (0, 1500) else f"note {number % 2}" for number in range(2000)]
    results = client.search_batch(notes, queries, limit=1)
    assert [len(request.queries) for request in fake.of("SearchRecords")] == [1024, 976]
    assert list(results.errors) == [0, 1500]
    assert all(results[number][0].id == str(number % 2) for number in range(2000) if number not in results.errors)
    fake.requests.clear()
    client.search_batch(notes, np.ones((50, DIMENSIONS)), limit=10_000)
    assert [list(request.vectors.shape) for request in fake.of("SearchRecords")] == [[2, 4]] * 25


def test_embeddings_are_searched_for_with_their_space(fake, client, notes):
    client.upsert(notes, records(3))
    results = client.search_batch(notes, client.embed(["note 1", "note 2"], "tiny"), limit=1)
    assert [hits[0].id for hits in results] == ["1", "2"]
    assert fake.of("SearchRecords")[0].space.normalize
