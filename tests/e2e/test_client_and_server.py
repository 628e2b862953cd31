"""What only the real pair shows: statuses, reasons, empty batches and spaces, as the server decides them."""

import numpy as np
import pytest

from frostline.client import (
    AlreadyExists,
    Client,
    InUse,
    InvalidInput,
    NotFound,
    Record,
    RecordId,
    SpaceMismatch,
    Unavailable,
)
from serving import running_server

NAME = "all-minilm-l6-v2"
SENTENCES = ["Frozen encoders.", "Trained heads.", "A river in winter.", "Ice below the ground."]


@pytest.fixture(scope="module")
def pair(minilm: Client) -> Client:
    minilm.create_collection("pair", encoder=NAME, description="for tests")
    minilm.upsert("pair", [Record(str(n), text=text, payload={"n": n}) for n, text in enumerate(SENTENCES)])
    return minilm


def test_an_empty_batch_is_an_empty_answer(pair):
    assert pair.embed([], NAME).vectors.shape == (0, 384)
    assert pair.upsert("pair", []).count == 0
    assert [answer.count for answer in pair.upsert_batches("pair", [[], []])] == [0, 0]
    assert pair.get("pair", []) == []
    assert pair.delete("pair", []).count == 0
    assert pair.patch_payloads("pair", {}).count == 0
    assert len(pair.search_batch("pair", [])) == 0


def test_embeddings_go_into_a_collection_and_search_it(pair):
    pair.create_collection("spaces", encoder=NAME)
    embeddings = pair.embed(SENTENCES, NAME)
    assert pair.upsert_vectors("spaces", ["a", "b", "c", "d"], embeddings).count == 4
    assert [hits[0].id for hits in pair.search_batch("spaces", embeddings, limit=1)] == ["a", "b", "c", "d"]
    record = pair.get("spaces", ["b"], include_vectors=True)[0]
    assert record.space == embeddings.space
    np.testing.assert_array_equal(record.vector, embeddings[1])


def test_vectors_of_another_space_are_refused(pair):
    short = pair.embed(SENTENCES, NAME, dimensions=128)
    with pytest.raises(SpaceMismatch, match="dimensions"):
        pair.upsert_vectors("pair", ["a", "b", "c", "d"], short)
    with pytest.raises(SpaceMismatch):
        pair.search_batch("pair", short)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda client: client.embed(["x"], "none"), NotFound),
        (lambda client: client.embed(["x"], NAME, layer="none"), NotFound),
        (lambda client: client.embed(["x"], NAME, prompt="none"), NotFound),
        (lambda client: client.embed(["x"], NAME, dimensions=999), InvalidInput),
        (lambda client: client.count("none"), NotFound),
        (lambda client: list(client.upsert_batches("none", [[Record("a", text="x")]] * 9)), NotFound),
        (lambda client: client.create_collection("pair", encoder=NAME), AlreadyExists),
        (lambda client: client.create_collection("No Name", encoder=NAME), InvalidInput),
        (lambda client: client.search("pair", RecordId("none")), NotFound),
        (lambda client: client.search("pair", b"no image"), InvalidInput),
        (lambda client: client.search("pair", np.ones(3)), InvalidInput),
        (lambda client: client.search("pair", "x", filter="n >"), InvalidInput),
        (lambda client: client.search("pair", "x", vector_name="none"), NotFound),
        (lambda client: client.set_alias("pair", "pair"), AlreadyExists),
        (lambda client: client.rename_collection("none", "other"), NotFound),
        (lambda client: client.restore_snapshot("none", "other"), NotFound),
        (lambda client: client.delete_encoder(NAME), InUse),
    ],
)
def test_a_refusal_is_an_exception_of_its_kind(pair, call, kind):
    with pytest.raises(kind) as caught:
        call(pair)
    assert len(str(caught.value)) > 20


def test_bad_records_fail_alone(pair):
    result = pair.upsert("pair", [Record("ok", text="fine"), Record("", text="x"), Record("none")], batch_size=2)
    assert result.count == 1
    assert sorted(result.errors) == [1, 2]
    assert pair.delete("pair", ["ok"]).count == 1


def test_conditions_that_do_not_hold_and_unchanged_records_are_told(pair):
    pair.create_collection("conditions", encoder=NAME)
    first = pair.upsert("conditions", [Record("a", text="one"), Record("b", text="two")])
    again = [
        Record("a", text="one", expected_sequence=0),
        Record("b", text="two", payload={"n": 1}, expected_sequence=first.sequence),
    ]
    second = pair.upsert("conditions", again)
    assert (second.count, {place: error.reason for place, error in second.errors.items()}) == (1, {0: "CONFLICT"})
    third = pair.upsert("conditions", [Record("a", text="one"), Record("b", text="two")], skip_unchanged=True)
    assert (third.count, third.unchanged, third.reused) == (1, 1, 1)
    patched = pair.patch_payloads("conditions", {"a": {"n": 2}, "none": {"n": 2}})
    assert (patched.count, {place: error.reason for place, error in patched.errors.items()}) == (1, {1: "NOT_FOUND"})
    assert pair.get("conditions", ["a", "b"])[0].payload == {"n": 2}


def test_filters_words_and_closeness_find_together(pair):
    assert pair.count("pair", filter="n > 1") == 2
    hits = pair.search("pair", "cold water", filter="n IN $wanted", parameters={"wanted": [0, 2]}, explain=True)
    assert [hit.id for hit in hits] == ["2", "0"]
    assert hits.recall == 1
    assert not hits.explanation.filter_indexed
    assert [hit.id for hit in pair.search("pair", "encoder", mode="keyword")] == ["0"]
    assert pair.search("pair", "rivers in winter", mode="hybrid")[0].id == "2"
    assert pair.facets("pair", "n", filter="n < 1") == [(0, 1)]


def test_names_lead_to_collections_and_snapshots_keep_them(pair):
    pair.create_collection("first", dimensions=2)
    pair.upsert_vectors("first", ["a"], np.eye(2, dtype=np.float32)[:1])
    pair.set_alias("current", "first")
    assert pair.rename_collection("first", "renamed").aliases == ("current",)
    snapshot = pair.create_snapshot("current")
    assert (snapshot.collection, snapshot.record_count) == ("renamed", 1)
    pair.delete("current", ["a"])
    assert pair.restore_snapshot(snapshot.name, "restored").record_count == 1
    pair.set_alias("current", "restored")
    assert pair.search("current", np.array([1, 0], np.float32))[0].id == "a"
    assert pair.count("renamed") == 0
    assert [step for step, _ in pair.optimize("restored")][-1] == "done"


def test_prompts_and_descriptions_change(pair):
    changed = pair.update_collection("pair", query_prompt="query: ")
    prompt = changed.vectors["default"].query_prompt
    assert (prompt, changed.description, changed.encoder) == ("query: ", "for tests", NAME)
    assert changed.record_count == 4


def test_lists_name_what_is_there(pair):
    assert NAME in [encoder.name for encoder in pair.list_encoders()]
    assert "pair" in [collection.name for collection in pair.list_collections()]
    assert sorted(record.id for record in pair.list_records("pair")) == ["0", "1", "2", "3"]


@pytest.mark.full  # it opens a graph for each layer
def test_an_encoder_of_full_size_verifies_itself(pair):
    checks = pair.verify_encoder(NAME)
    assert checks
    assert all(check.passed for check in checks)


def test_a_server_that_is_gone_is_unavailable(tmp_path):
    with running_server(tmp_path, encoders="") as server:
        client = Client(server.target)
        client.create_collection("plain", dimensions=2)
        server.kill()
        with pytest.raises(Unavailable, match="frostline serve"):
            client.count("plain")
        client.close()
