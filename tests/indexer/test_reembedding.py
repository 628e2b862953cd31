"""Re-embedding through the public client, against a real server."""

import json

import numpy as np
import pytest

import tiny
from frostline.client import Client, Record, VectorField
from frostline.indexer import BadSource, IndexingError, JobChanged, ReembedOptions, reembed
from frostline.indexer.stored import _with_places
from serving import running_server

WORDS = "the a of to and is in it file line word text list key red blue cat dog house".split()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("data"), encoders="") as server, Client(server.target) as client:
        client.add_encoder("old", folder=tiny.tiny_bert(tmp_path_factory.mktemp("old")))
        client.add_encoder("new", folder=tiny.tiny_bert(tmp_path_factory.mktemp("new"), seed=1))
        client.add_encoder("image", folder=tiny.tiny_image(tmp_path_factory.mktemp("image")))
        yield client


def record(n, words=None):
    chance = np.random.default_rng(n)
    return Record(f"r{n}", text=words or " ".join(chance.choice(WORDS, 6)), payload={"n": n})


@pytest.fixture
def notes(client, request):
    """A collection of 300 texts, with a name of the test's own."""
    name = f"n{abs(hash(request.node.name)) % 10**9}"
    client.create_collection(name, encoder="old", fields={"n": "integer"}, description="Notes", durability="relaxed")
    assert client.upsert(name, [record(n) for n in range(300)], batch_size=50).errors == {}
    return name


def options(tmp_path, **changes):
    return ReembedOptions(**{"encoder": "new", "work_dir": tmp_path / "work", "batch_size": 32, **changes})


def same_content(client, old, new):
    one, other = ({r.id: r for r in client.list_records(name, include_content=True)} for name in (old, new))
    return one == other


def test_the_shadow_has_the_records_the_settings_and_the_new_vectors(client, notes, tmp_path):
    done = reembed(client, notes, options(tmp_path))
    assert (done.collection, done.shadow, done.records) == (notes, f"{notes}-new", 300)
    assert (done.summary.indexed, done.summary.rejected, done.without_content, done.deleted) == (300, 0, 0, 0)
    assert (done.alias, done.before) == ("", "")
    before, after = client.get_collection(notes), client.get_collection(done.shadow)
    assert (after.encoder, after.fields, after.description) == ("new", before.fields, "Notes")
    assert after.durability == "relaxed"
    assert same_content(client, notes, done.shadow)
    [made] = client.get(done.shadow, ["r7"], include_vectors=True)
    np.testing.assert_allclose(made.vector, client.embed([record(7).text], encoder="new").vectors[0], atol=1e-5)
    assert client.list_aliases() == {}


def test_the_overlap_is_that_of_the_ten_closest_records_without_the_one_asked_for(client, notes, tmp_path):
    done = reembed(client, notes, options(tmp_path, queries=40))
    assert (done.overlap.k, done.overlap.queries) == (10, 40)
    questions = ("red cat", "blue dog in the house")
    asked = reembed(client, notes, options(tmp_path, questions=questions)).overlap
    shares = []
    for question in questions:
        one, other = (set(client.search(name, question, limit=10).ids) for name in (notes, done.shadow))
        shares.append(len(one & other) / 10)
    assert asked.queries == 2
    assert asked.mean == pytest.approx(np.mean(shares))
    assert asked.tenth_percentile == pytest.approx(np.percentile(shares, 10))
    same = []
    for n in range(300):
        one, other = (
            [id for id in client.search(name, record(n).text, limit=11).ids if id != f"r{n}"][:10]
            for name in (notes, done.shadow)
        )
        same.append(len(set(one) & set(other)) / 10)
    assert abs(done.overlap.mean - np.mean(same)) < 5 * np.std(same) / np.sqrt(40)


def test_writes_and_deletions_made_meanwhile_are_taken_over(client, notes, tmp_path):
    changed = []

    def meddle(state):
        if state.done > 100 and not changed:  # r0 to r99 are in the shadow already
            changed.append(True)
            client.upsert(notes, [record(3, "red cat"), record(1000), record(250, "blue dog")])
            client.patch_payloads(notes, {"r5": {"more": True}})
            client.delete(notes, ["r6", "r299"])

    done = reembed(client, notes, options(tmp_path), meddle)
    assert changed
    assert same_content(client, notes, done.shadow)
    assert done.records == 299
    assert done.deleted == 1
    [made] = client.get(done.shadow, ["r3"], include_vectors=True)
    np.testing.assert_allclose(made.vector, client.embed(["red cat"], encoder="new").vectors[0], atol=1e-5)


def test_an_interrupted_job_goes_on_without_embedding_again_and_a_done_one_catches_up(client, notes, tmp_path):
    class Killed(BaseException):
        pass

    def dies(state):
        if state.done >= 170:
            raise Killed

    with pytest.raises(Killed):
        reembed(client, notes, options(tmp_path), dies)
    sequences = {each.id: each.sequence for each in client.list_records(f"{notes}-new")}
    assert 170 <= len(sequences) < 300
    done = reembed(client, notes, options(tmp_path))
    assert 150 <= done.summary.resumed < 300
    after = {each.id: each.sequence for each in client.list_records(f"{notes}-new")}
    assert {id: after[id] for id in sequences} == sequences  # not written again
    assert same_content(client, notes, done.shadow)
    client.upsert(notes, [record(1, "late")])
    client.delete(notes, ["r2"])
    again = reembed(client, notes, options(tmp_path))
    assert again.summary.rows - done.summary.rows == 1
    assert again.deleted == 1
    assert same_content(client, notes, done.shadow)


def test_an_alias_is_flipped_at_the_end_and_late_writes_follow_without_hurting_new_ones(
    client, notes, tmp_path, monkeypatch
):
    alias, flip = f"live-{notes}", client.set_alias
    client.set_alias(alias, notes)
    assert reembed(client, notes, options(tmp_path)).alias == ""
    assert client.list_aliases()[alias] == notes
    assert client.get_collection(notes).record_count == 300

    def busy(name, collection):
        client.upsert(alias, [record(1, "late"), record(2, "late"), record(500, "late")])  # still the old one
        flip(name, collection)
        client.upsert(alias, [record(2, "later"), record(600, "later")])  # the new one

    monkeypatch.setattr(client, "set_alias", busy)
    done = reembed(client, alias, options(tmp_path, alias=alias))
    assert (done.alias, done.before) == (alias, notes)
    assert client.list_aliases()[alias] == done.shadow
    texts = {each.id: each.text for each in client.get(alias, ["r1", "r2", "r500", "r600"], include_content=True)}
    assert texts == {"r1": "late", "r2": "later", "r500": "late", "r600": "later"}
    assert client.count(notes) == 301
    # What callers wrote to the shadow since is theirs: no other run of the job may delete it.
    with pytest.raises(IndexingError, match=f"in use, alias '{alias}' leads to it"):
        reembed(client, notes, options(tmp_path))
    client.delete_alias(alias)
    with pytest.raises(IndexingError, match="no checkpoint says that they are of this job"):
        reembed(client, notes, options(tmp_path))
    assert client.count(done.shadow) == 302


def test_records_without_content_are_counted_and_named(client, notes, tmp_path):
    vectors = np.ones((7, tiny.HIDDEN), np.float32)
    client.upsert_vectors(notes, [f"v{n}" for n in range(7)], vectors)
    done = reembed(client, notes, options(tmp_path))
    assert (done.records, done.without_content, done.summary.rejected) == (300, 7, 7)
    assert done.named == ("v0", "v1", "v2", "v3", "v4")
    listed = [json.loads(line) for line in done.summary.rejected_path.read_text().splitlines()]
    assert {row["reason"] for row in listed} == {"NO_CONTENT"}
    # One that loses its content later is not left in the shadow as it was.
    client.upsert_vectors(notes, ["r9"], vectors[:1])
    again = reembed(client, notes, options(tmp_path))
    assert (again.records, again.without_content, again.deleted) == (299, 8, 1)
    assert client.get(done.shadow, ["r9"]) == []


def test_one_of_several_vectors_is_made_anew_and_the_others_stay(client, tmp_path):
    fields = {"title": VectorField("old"), "look": VectorField(dimensions=3), "photo": VectorField("image")}
    client.create_collection("several", vectors=fields)
    looks = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    records = [
        Record(f"r{n}", text=None if n % 4 == 0 else f"red cat {n}", vectors={"look": looks[n]}) for n in range(20)
    ]
    assert client.upsert("several", records).errors == {}
    done = reembed(client, "several", options(tmp_path, vector_name="title", shadow="several-b"))
    assert (done.shadow, done.records, done.without_content) == ("several-b", 20, 0)
    made = {each.id: each for each in client.list_records("several-b", include_vectors=True)}
    for n in range(20):
        np.testing.assert_array_equal(made[f"r{n}"].vectors["look"], looks[n])
        assert (made[f"r{n}"].vector is None) == (n % 4 == 0)
    assert client.get_collection("several-b").vectors["title"].encoder == "new"


def test_a_collection_whose_encoder_is_gone_is_compared_by_its_vectors(client, tmp_path):
    client.create_collection("plain", dimensions=3)
    looks = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    client.upsert("plain", [Record(f"r{n}", text=f"red cat {n}", vector=looks[n]) for n in range(50)])
    done = reembed(client, "plain", options(tmp_path, queries=20))
    assert (done.records, done.overlap.queries) == (50, 20)
    with pytest.raises(BadSource, match="cannot be searched for texts"):
        reembed(client, "plain", options(tmp_path, questions=("cat",)))


def test_what_cannot_be_done_is_refused_before_anything_is(client, notes, tmp_path):
    client.create_collection("kept-not", encoder="old", keep_content=False)
    client.create_collection("taken", encoder="old")
    for collection, changes, says in (
        (notes, {"vector_name": "title"}, "has no vector 'title', it has default"),
        (notes, {"encoder": "old"}, "has encoder 'old' already"),
        (notes, {"alias": "taken"}, "is the name of a collection and no alias"),
        ("kept-not", {}, "keeps no texts and images"),
    ):
        with pytest.raises(BadSource, match=says):
            reembed(client, collection, options(tmp_path, **changes))
    for shadow in ("taken", notes):
        with pytest.raises(IndexingError, match="cannot be the shadow"):
            reembed(client, notes, options(tmp_path, shadow=shadow))
    assert f"{notes}-new" not in [each.name for each in client.list_collections()]


def test_a_collection_of_somebody_else_is_only_taken_over_when_asked(client, notes, tmp_path):
    client.create_collection(f"{notes}-mine", encoder="new")
    client.upsert(f"{notes}-mine", [record(9000)])
    with pytest.raises(IndexingError, match=r"has 1 records and no checkpoint.*--restart"):
        reembed(client, notes, options(tmp_path, shadow=f"{notes}-mine"))
    assert client.count(f"{notes}-mine") == 1
    done = reembed(client, notes, options(tmp_path, shadow=f"{notes}-mine", restart=True))
    assert (done.records, done.deleted) == (300, 1)
    client.delete_collection(notes)
    client.create_collection(notes, encoder="old")
    with pytest.raises(JobChanged, match="source's creation"):
        reembed(client, notes, options(tmp_path, shadow=f"{notes}-mine"))


@pytest.mark.parametrize(
    ("sequences", "done", "places"),
    [
        ([], 0, []),
        ([1], 0, [1]),
        ([4, 4, 4], 2, [2, 2, 4]),
        ([1, 2, 2, 5], 0, [1, 1, 2, 5]),
    ],
)
def test_a_commit_is_done_with_its_last_record(sequences, done, places):
    listed = [(str(place), sequence) for place, sequence in enumerate(sequences)]
    assert list(_with_places(listed, done)) == [(str(place), end) for place, end in enumerate(places)]
