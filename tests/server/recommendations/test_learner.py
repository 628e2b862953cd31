"""Collections are learned from beside the server, and what was learned is kept, found again, and forgotten."""

import asyncio
import contextlib
import logging
import os
import shutil
import sys
import threading
import time

import numpy as np
import pytest

import stand_in_learning
from collecting import config
from frostline.server.child import ChildFailed
from frostline.server.collections.catalogue import Catalogue
from frostline.server.errors import ShuttingDown
from frostline.server.recommendations import learned as files
from frostline.server.recommendations import learner as room
from frostline.server.recommendations.asking import Ask, Strategy
from frostline.server.recommendations.learner import FOLDER, Learner
from frostline.server.recommendations.recommenders import Recommenders
from recommending import did, learned_from, note, shop, tastes

SECONDS = 30


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setattr(room, "PROGRAM", stand_in_learning.__name__)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def recommenders():
    recommenders = Recommenders(Learner())
    yield recommenders
    recommenders.close()


@pytest.fixture
def notes(catalogue):
    return shop(catalogue, interactions=tastes())


@pytest.fixture
def said(caplog):
    """The log lines of the room, of level info and above."""
    caplog.set_level(logging.INFO, "frostline.server.recommendations")
    return caplog


def keep(collection, name="000000000002-abc", learned=None):
    """Puts what was learned where it is kept."""
    folder = collection.folder / FOLDER / name
    folder.mkdir(parents=True)
    files.save(learned or learned_from(collection), folder)
    return folder


def kept(collection):
    """What lies where it is kept."""
    folder = collection.folder / FOLDER
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def until(condition):
    """Waits for something that another thread or process does."""
    give_up = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def ask(recommenders, collection, strategy=Strategy.EASE, user="u0"):
    return recommenders.recommend(collection, Ask(user=user, strategy=strategy))


@contextlib.contextmanager
def slowly(collection):
    """Until the block is left, what is learned is not written down."""
    (collection.folder / "how").write_text("slow")
    try:
        yield
    finally:
        (collection.folder / "go").touch()


def test_what_is_written_is_what_is_read(notes, tmp_path):
    learned = learned_from(notes)
    files.save(learned, tmp_path)
    again = files.load(tmp_path)
    assert (again.sequence, again.features, again.blend, list(again.warm), again.unit) == (
        learned.sequence,
        learned.features,
        learned.blend,
        learned.warm,
        learned.unit,
    )
    for name in ("rows", "anchors", "shares"):
        np.testing.assert_array_equal(getattr(again, name), getattr(learned, name))
    np.testing.assert_array_equal(again.collaborative.ease, learned.collaborative.ease)
    np.testing.assert_array_equal(again.collaborative.factors.items, learned.collaborative.factors.items)
    near = again.collaborative.neighbors - learned.collaborative.neighbors
    assert abs(near).sum() == 0


def test_a_new_recommender_finds_what_was_learned(notes, recommenders):
    keep(notes)
    answer = ask(recommenders, notes)
    assert (answer.strategy, answer.learned_sequence, answer.notes) == (Strategy.EASE, notes.sequence, [])
    assert kept(notes) == ["000000000002-abc"]


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "array": lambda folder: flip(folder / files.ARRAYS, -100),
    "manifest": lambda folder: flip(folder / files.MANIFEST, 300),
    "no manifest": lambda folder: (folder / files.MANIFEST).unlink(),
    "no arrays": lambda folder: (folder / files.ARRAYS).unlink(),
    "a list": lambda folder: (folder / files.MANIFEST).write_text("[]"),
    "short": lambda folder: (folder / files.ARRAYS).write_bytes((folder / files.ARRAYS).read_bytes()[:1000]),
    "file": lambda folder: (shutil.rmtree(folder), folder.touch()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_put_aside(notes, recommenders, said, damage):
    DAMAGE[damage](keep(notes))
    answer = ask(recommenders, notes)
    assert (answer.strategy, answer.learned_sequence) == (Strategy.CONTENT, 0)
    assert "000000000002-abc" not in kept(notes)
    assert [each for each in said.messages if "000000000002-abc" in each]


def test_what_is_damaged_is_learned_again(notes, recommenders, said):
    DAMAGE["array"](keep(notes))
    ask(recommenders, notes)
    until(lambda: ask(recommenders, notes).learned_sequence == notes.sequence)


def test_what_was_learned_elsewhere_or_by_another_frostline_is_put_aside(
    catalogue, notes, recommenders, said, monkeypatch
):
    smaller = catalogue.create(config("other", dimensions=4))
    keep(notes, learned=learned_from(smaller))
    assert ask(recommenders, notes).learned_sequence == 0
    assert "learned from another collection" in said.text
    later = learned_from(notes)
    object.__setattr__(later, "sequence", notes.sequence + 1)
    keep(notes, "x", later)
    assert room.kept(notes) is None
    monkeypatch.setattr(files, "_FORMAT", 2)
    keep(notes, "y")
    monkeypatch.undo()
    assert room.kept(notes) is None
    assert "learned by another Frostline" in said.text


def test_what_was_learned_before_somebody_was_deleted_is_removed_at_once(notes, recommenders):
    keep(notes)
    assert ask(recommenders, notes).learned_sequence > 0
    with slowly(notes):
        notes.interactions.delete_user("u1").result(SECONDS)
        assert "000000000002-abc" not in kept(notes)
        answer = ask(recommenders, notes)
        assert (answer.strategy, answer.learned_sequence) == (Strategy.CONTENT, 0)
        assert "must forget somebody" in answer.notes[0]
        assert ask(recommenders, notes, Strategy.AUTO).learned_sequence == 0
    until(lambda: ask(recommenders, notes).learned_sequence == notes.sequence)  # nobody had to ask for it


def test_what_was_learned_is_removed_where_nobody_has_asked_since_the_start(notes, recommenders):
    keep(notes)
    notes.interactions.delete_user("u1").result(SECONDS)
    recommenders.forget(notes)
    assert kept(notes) == []


def test_what_holds_no_more_at_a_start_is_removed(notes, recommenders):
    keep(notes)
    notes.interactions.delete_user("u1").result(SECONDS)
    assert room.kept(notes) is None
    assert kept(notes) == []


def test_leftovers_of_a_killed_server_are_removed(notes):
    keep(notes)
    (notes.folder / FOLDER / ".new-123").mkdir()
    assert room.kept(notes) is not None
    assert kept(notes) == ["000000000002-abc"]


def test_what_was_being_learned_when_somebody_was_deleted_is_not_taken(notes, recommenders):
    with slowly(notes):
        ask(recommenders, notes)
        until((notes.folder / "learning").exists)
        deleted = notes.interactions.delete_user("u1").result(SECONDS)
        pending = recommenders._course(notes).pending
        assert pending is not None
    assert pending.result(SECONDS) == 0
    assert kept(notes) == []
    assert ask(recommenders, notes).learned_sequence == 0
    asyncio.run(recommenders.learned(notes, deleted.sequence))
    assert ask(recommenders, notes).learned_sequence == deleted.sequence
    assert len(kept(notes)) == 1


def test_waiting_for_it_outlasts_a_deletion(notes, recommenders):
    with slowly(notes):
        done = threading.Thread(target=lambda: asyncio.run(recommenders.learned(notes, notes.sequence)))
        done.start()
        until((notes.folder / "learning").exists)
        notes.interactions.delete_user("u1").result(SECONDS)
        recommenders.forget(notes)
    done.join(SECONDS)
    assert not done.is_alive()
    assert ask(recommenders, notes).learned_sequence == notes.sequence


def test_a_deletion_between_learning_and_taking_leaves_nothing_behind(notes, recommenders):
    """The last moment: it is taken already, but not yet in its place."""
    learner = recommenders._learner
    learned = []

    def take(each):
        learned.append(each)
        notes.interactions.delete_user("u1").result(SECONDS)
        learner.forget(notes)
        return True

    learner.learn(notes, take).result(SECONDS)
    assert learned
    assert kept(notes) == []


@pytest.mark.parametrize("how", ["broken", "gone"])
def test_a_process_that_fails_is_logged_and_harms_no_request(notes, recommenders, said, how):
    (notes.folder / "how").write_text(how)
    with pytest.raises(ChildFailed):
        asyncio.run(recommenders.learned(notes, notes.sequence))
    assert "were not learned" in said.text
    answer = ask(recommenders, notes)
    assert (answer.strategy, answer.learned_sequence, len(answer.ids)) == (Strategy.CONTENT, 0, 10)
    assert kept(notes) == []
    (notes.folder / "how").unlink()
    asyncio.run(recommenders.learned(notes, notes.sequence))
    assert ask(recommenders, notes).learned_sequence == notes.sequence


def test_closing_ends_what_is_being_learned(catalogue, notes, said):
    learner = Learner()
    (notes.folder / "how").write_text("slow")
    under_way = learner.learn(notes, lambda learned: True)
    waiting = learner.learn(shop(catalogue, "next"), lambda learned: True)
    until((notes.folder / "learning").exists)
    process = learner._child._process
    begun = time.monotonic()
    learner.close()
    assert time.monotonic() - begun < 10
    assert process.poll() is not None
    for each in (under_way, waiting):
        with pytest.raises(ShuttingDown):
            each.result(0)
    with pytest.raises(ShuttingDown):
        learner.learn(notes, lambda learned: True)
    assert kept(notes) == []
    assert not [each for each in said.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize("items", [0, 5])
def test_there_may_be_nothing_to_learn_from(catalogue, recommenders, items, said):
    """No records, or records that nobody has done anything with."""
    collection = shop(catalogue, items=items)
    asyncio.run(recommenders.learned(collection, collection.sequence))
    for strategy in Strategy:
        answer = ask(recommenders, collection, strategy)
        assert sorted(answer.ids) == [f"r{n}" for n in range(items)]
    assert len(kept(collection)) == (items > 0)
    if items:
        note(collection, did("u", "r3"))
        assert ask(recommenders, collection, Strategy.AUTO, "v").ids[0] == "r3"
        assert ask(recommenders, collection, Strategy.EASE, "u").known_count == 1
    assert "were not learned" not in said.text


def test_closing_before_anything_was_learned_is_quick():
    Learner().close()


def test_a_collection_may_be_deleted_while_it_is_learned_from(tmp_path, recommenders, said):
    catalogue = Catalogue(tmp_path / "collections", snapshots=tmp_path / "snapshots")
    notes, other = shop(catalogue, interactions=tastes()), shop(catalogue, "other", interactions=tastes())
    (notes.folder / "how").write_text("slow")
    ask(recommenders, notes)
    until((notes.folder / "learning").exists)
    pending = recommenders._course(notes).pending
    catalogue.delete("shop")
    with pytest.raises((ShuttingDown, ChildFailed, OSError)):
        pending.result(SECONDS)
    assert not [each for each in said.records if each.levelno >= logging.ERROR]
    asyncio.run(recommenders.learned(other, other.sequence))
    assert ask(recommenders, other).learned_sequence == other.sequence
    assert len(recommenders._courses) == 1
    catalogue.close()


def test_it_is_learned_again_once_enough_has_changed(notes, recommenders, monkeypatch):
    monkeypatch.setattr("frostline.server.recommendations.recommenders.REST_SHARE", 0.0)
    asyncio.run(recommenders.learned(notes, notes.sequence))
    first = notes.sequence
    note(notes, *(did("new", f"r{n}") for n in range(20)))
    ask(recommenders, notes)
    assert recommenders._course(notes).pending is None
    note(notes, did("new", "r20"))
    ask(recommenders, notes)
    until(lambda: ask(recommenders, notes).learned_sequence > first)
