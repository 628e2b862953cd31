"""The interactions of a collection, through the aggregate that holds them."""

import math

import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.interactions import check
from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.operations import DeleteInteractions, Write
from frostline.server.errors import InvalidInput


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path / "collections", snapshots=tmp_path / "snapshots")
    yield catalogue
    catalogue.close()


@pytest.fixture
def notes(catalogue):
    notes = catalogue.create(config())
    notes.upsert([Write(record(name, n=n)) for n, name in enumerate("abc")]).result(10)
    return notes


def did(user="u", record_id="a", weight=1.0, time=0.0, kind=""):
    return Interaction(user, record_id, kind, weight, time)


def note(notes, *interactions):
    return notes.interactions.record(interactions).result(10)


def listed(collection):
    return [(each.user, each.record, each.weight) for each in collection.interactions.page(0, 100)[0]]


def derive(notes, state, sequence):
    """What somebody derives who keeps up: weights by user, record and kind."""
    with notes.interactions.since(sequence) as recorded:
        state = {} if recorded.anew else dict(state)
        for chunk in recorded.chunks:
            state |= {each[:3]: each.weight for each in chunk}
        return state, recorded.sequence, recorded.anew


def test_who_derives_from_interactions_keeps_up(notes):
    note(notes, did(), did("v"))
    state, sequence, anew = derive(notes, {}, 0)
    assert (state, sequence, anew) == ({("u", "a", ""): 1.0, ("v", "a", ""): 1.0}, 2, False)
    note(notes, did(weight=5), did("u", "b"))
    state, sequence, anew = derive(notes, state, sequence)
    assert (state["u", "a", ""], len(state), anew) == (5, 3, False)
    notes.interactions.delete_user("u").result(10)
    state, sequence, anew = derive(notes, state, sequence)
    assert (list(state), anew) == ([("v", "a", "")], True)
    note(notes, did())
    assert derive(notes, state, sequence)[2] is False
    notes.delete(["a"]).result(10)
    assert derive(notes, state, sequence)[0] == {}


def test_what_is_counted_is_what_is_there(notes):
    note(notes, did(), did("u", "b"), did("v"))
    interactions = notes.interactions
    assert (interactions.count(), interactions.count("u"), interactions.user_count()) == (3, 2, 2)
    interactions.delete(DeleteInteractions("v")).result(10)
    assert (interactions.count(), interactions.count("v"), interactions.user_count()) == (2, 0, 1)


def test_totals_and_the_commits_after_them_add_up(notes):
    note(notes, did(weight=2, time=10), did("v", "b", 3, 0))
    commits = []
    following = notes.follow(commits.append)
    note(notes, did("w", weight=4))
    totals = notes.interactions.totals([math.inf])
    note(notes, did(weight=5), did("v", weight=1))
    notes.interactions.delete_user("w").result(10)
    notes.delete(["b"]).result(10)
    assert following.sequence < totals.sequence == commits[0].sequence
    assert (totals.reference, totals.records) == (10, ["a", "b"])
    sums = dict(zip(totals.records, totals.sums[:, 0].tolist(), strict=True))
    for commit in commits:
        if commit.sequence > totals.sequence:
            for each in commit.recorded:
                sums[each.record] += each.weight
            for gone in commit.erased:
                for record_id, weight in zip(gone.records, gone.weights, strict=True):
                    sums[record_id] -= weight
    assert sums == {"a": 6, "b": 0}
    assert notes.interactions.totals([math.inf]).sums.tolist() == [[6]]


def test_interactions_live_through_a_restart(catalogue, notes, tmp_path):
    note(notes, did(), did("v", "b", -2.0))
    before = listed(notes)
    catalogue.close()
    again = Catalogue(tmp_path / "collections", snapshots=tmp_path / "snapshots")
    assert listed(again.get("notes")) == before
    again.close()


def test_snapshots_and_renames_carry_interactions(catalogue, notes):
    note(notes, did(), did("v", "b", -2.0))
    before = listed(notes)
    snapshot = catalogue.create_snapshot("notes")
    notes.interactions.delete_user("u").result(10)
    note(notes, did("w"))
    catalogue.rename("notes", "renamed")
    assert listed(catalogue.get("renamed")) == [("v", "b", -2.0), ("w", "a", 1.0)]
    restored = catalogue.restore_snapshot(snapshot.id, "restored")
    assert listed(restored) == before
    assert note(restored, did("w")).count == 1
    assert restored.interactions.count("w") == 1


def test_interactions_leave_what_filters_let_through_as_it_was(notes):
    filtered = parse("n > 0")
    assert notes.count(filtered) == 2
    assert notes.remembers(filtered)
    written = note(notes, did())
    assert notes.remembers(filtered)
    assert (notes.sequence, notes.count(filtered)) == (written.sequence, 2)
    notes.delete(["c"]).result(10)
    assert not notes.remembers(filtered)
    assert notes.count(filtered) == 1


def test_deleted_users_are_overwritten_while_serving(notes, tmp_path):
    user = "a-user-nobody-else-is-called-like"
    note(notes, did(user))

    def is_left():
        return any(user.encode() in path.read_bytes() for path in tmp_path.rglob("records.sqlite*"))

    assert is_left()
    notes.interactions.delete_user(user).result(10)
    notes.interactions.record([]).result(10)  # answered after what the deletion left to tidy
    assert not is_left()


@pytest.mark.parametrize(
    "wrong",
    [
        did(user=""),
        did(user="u" * 513),
        did(record_id=""),
        did(kind="k" * 65),
        did(weight=math.nan),
        did(weight=math.inf),
        did(weight=-1.1e9),
        did(time=1301.0),
        did(time=math.nan),
    ],
)
def test_what_is_not_right_is_refused(wrong):
    check(did(weight=-1e9, time=1300.0, kind="k" * 64), 1000.0)
    with pytest.raises(InvalidInput):
        check(wrong, 1000.0)


def test_nobody_deletes_everything_by_mistake(notes):
    for conditions in (DeleteInteractions(), DeleteInteractions(records=("a",)), DeleteInteractions(kinds=("",))):
        with pytest.raises(InvalidInput, match="neither a user nor a time"):
            notes.interactions.delete(conditions)
    with pytest.raises(InvalidInput, match="user id"):
        notes.interactions.delete_user("")
