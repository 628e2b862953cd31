"""What the wire cannot hold is refused in our words, and before anything is sent."""

from pathlib import Path

import numpy as np
import pytest

from frostline.client import Combination, InvalidInput, Part, Record

ALONE = "\ud800"
LARGE = 2**31


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.embed(["a"], "tiny", dimensions=LARGE), "dimensions 2147483648"),
        (lambda client: client.embed(["a"], "tiny", dimensions="4"), "dimensions '4'"),
        (lambda client: client.create_collection("c", dimensions=LARGE), "dimensions 2147483648"),
        (lambda client: client.create_collection("c", fields={ALONE: "keyword"}), "no Unicode"),
        (lambda client: client.rename_collection("c", ALONE), "no Unicode"),
        (lambda client: client.set_alias(ALONE, "c"), "no Unicode"),
        (lambda client: client.delete_snapshot(ALONE), "no Unicode"),
        (lambda client: client.count("c", filter=ALONE), "no Unicode"),
        (lambda client: client.facets("c", ALONE), "no Unicode"),
        (lambda client: client.facets("c", "a", limit=0), "limit 0"),
        (lambda client: client.search("c", "a", vector_name=ALONE), "no Unicode"),
        (lambda client: client.get("c", ["a"], min_sequence=2**63), "min_sequence 9223372036854775808"),
        (lambda client: client.search("c", "a", limit=LARGE), "limit 2147483648"),
        (lambda client: client.search("c", "a", limit=0), "limit 0 is no whole number from 1"),
        (lambda client: client.search("c", [1.0, 2.0]), "a query must be .*, not a list; several .* search_batch"),
        (lambda client: client.search("c", None), "a query must be .*, not a NoneType"),
        (lambda client: client.search("c", "a", filter={"price": 3}), r"filter \{'price': 3\} is no str; write"),
        (lambda client: client.upsert("c", [Record("a", vector=[1.0])]), "record 'a': .*, not a list; np.array"),
        (lambda client: client.upsert("c", [Record("a", text="b", payload=[1])]), "'a': .* but a list; give a dict"),
        (
            lambda client: client.upsert("c", [Record("a", image="a.jpg")]),
            "'a': image 'a.jpg' is a str; .*pathlib.Path",
        ),
        (lambda client: client.search("c", Combination([Part(image="a.jpg")])), "image 'a.jpg' is a str"),
        (lambda client: client.get("c", [1]), "1 is no str"),
        (lambda client: client.upsert("c", [{"id": "a"}]), "must be Record objects, not dict"),
        (lambda client: client.upsert("c", Record("a", text="b")), "one Record was passed"),
        (lambda client: client.upsert("c", "abc"), "one str was passed"),
        (lambda client: client.delete("c", [1]), "1 is no str"),
        (lambda client: client.upsert_vectors("c", ["a", "b"], [[1.0], [1.0, 2.0]]), r"shape \(n, d\)"),
        (lambda client: client.upsert_vectors("c", ["a"], [["x"]]), r"shape \(n, d\)"),
        (lambda client: client.get_collection(ALONE), "no Unicode"),
        (lambda client: client.update_collection("c", description=ALONE), "no Unicode"),
        (lambda client: client.create_collection(ALONE), "no Unicode"),
        (lambda client: client.create_collection("c", description=ALONE), "no Unicode"),
        (lambda client: client.create_collection("c", layer=ALONE), "no Unicode"),
        (lambda client: client.create_collection("c", encoder=ALONE), "no Unicode"),
        (lambda client: client.delete_collection(ALONE), "no Unicode"),
        (lambda client: client.count(ALONE), "no Unicode"),
        (lambda client: client.get("c", [ALONE]), "no Unicode"),
        (lambda client: client.search(ALONE, "a"), "no Unicode"),
        (lambda client: client.embed(["a"], ALONE), "no Unicode"),
        (lambda client: client.embed(["a"], "tiny", prompt=ALONE), "no Unicode"),
        (lambda client: client.embed(["a"], "tiny", layer=ALONE), "no Unicode"),
        (lambda client: client.get_encoder(ALONE), "no Unicode"),
        (lambda client: client.add_encoder(ALONE, hub="a/b"), "no Unicode"),
        (lambda client: client.add_encoder(ALONE, folder=Path(__file__).parents[2]), "no Unicode"),
        (lambda client: client.add_encoder("a", hub=ALONE), "no Unicode"),
    ],
)
def test_what_the_wire_cannot_hold_is_refused_by_the_client(fake, client, call, message):
    with pytest.raises(InvalidInput, match=message):
        call(client)
    assert fake.requests == []


def test_vectors_may_be_lists(fake, client):
    client.create_collection("notes", encoder="tiny")
    client.upsert_vectors("notes", ["a"], [[1, 0, 0, 0]])
    np.testing.assert_array_equal(client.get("notes", ["a"], include_vectors=True)[0].vector, [1, 0, 0, 0])


@pytest.mark.parametrize("method", ["get", "delete"])
def test_ids_are_cut_by_their_bytes(fake, client, method):
    client.create_collection("notes", encoder="tiny")
    getattr(client, method)("notes", [f"{number}" + "\U0001f43f" * 400_000 for number in range(3)])
    asked = fake.of({"get": "GetRecords", "delete": "DeleteRecords"}[method])
    assert [len(request.ids) for request in asked] == [1, 1, 1]
