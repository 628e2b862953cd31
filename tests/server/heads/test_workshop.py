import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import made_heads
import stand_in_training
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import DataDamaged, InvalidInput, NotFound, NotReady, ShuttingDown
from frostline.server.heads import artifact, examples, trainer
from frostline.server.heads.fitted import TrainingOptions
from frostline.server.heads.moments import Moments
from frostline.server.heads.orders import Evaluate, Train
from frostline.server.heads.store import Heads
from frostline.server.heads.trainer import Trainer, TrainingFailed, Work
from frostline.server.heads.versions import CANCELLED, HeadConfig, State
from frostline.server.heads.workshop import Workshop
from made_heads import DIMENSIONS, fitted, labelled, unit
from stand_in_training import BROKEN, GONE, REFUSED, SLOW, WRONG


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setattr(trainer, "PROGRAM", stand_in_training.__name__)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def heads(tmp_path):
    return Heads(tmp_path / "heads")


@pytest.fixture
def workshop(heads):
    made = Workshop(heads, Trainer())
    yield made
    made.close()


def begun(heads, name="x", strength=None, given=None):
    config = HeadConfig(space=EmbeddingSpace.plain(DIMENSIONS), options=TrainingOptions(strength=strength))
    return made_heads.begun(heads, name, config, given).versions[0]


def ready(heads, name="x"):
    """A version, without a process."""
    version = begun(heads, name)
    artifact.write(heads.folders.artifact(name, version), fitted())
    return heads.finish(name, version, 0.1).versions[0]


def nothing(step, done):
    pass


def in_a_thread(work, *arguments):
    """Returns the thread, and what will be in it: the outcome."""
    outcome = []

    def run():
        try:
            outcome.append(work(*arguments))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def training(workshop, heads, name="x", strength=SLOW):
    """A training that has begun; returns its thread, outcome, version and what it reports."""
    version, told, started = begun(heads, name, strength), [], threading.Event()

    def report(step, done):
        told.append((step, done))
        started.set()

    thread, outcome = in_a_thread(workshop.train, name, version, report)
    return thread, outcome, version, told, started


def test_a_version_that_is_trained_is_ready_and_predicts(heads, workshop):
    told = []
    version = begun(heads)
    head = workshop.train("x", version, lambda *each: told.append(each))
    assert (head.serving, head.versions[0].state) == (1, State.READY)
    assert 0 < head.versions[0].train_seconds < 60
    assert [step for step, _ in told] == ["choosing", "calibrating", "writing"]
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert heads.predictor("x")[1].predict(unit(2)).labels.shape == (2, 1)


@pytest.mark.parametrize(
    ("strength", "reason"),
    [
        (BROKEN, "ZeroDivisionError: nothing to divide by"),
        (GONE, "the process was ended, with 7"),
        (WRONG, "ValidationError"),
    ],
)
def test_a_version_that_cannot_be_trained_says_why_and_the_earlier_one_serves(heads, workshop, strength, reason):
    ready(heads)
    head = workshop.train("x", begun(heads, strength=strength), nothing)
    assert (head.serving, head.versions[0].state) == (1, State.FAILED)
    assert head.versions[0].failure.startswith(reason)
    assert heads.list() == [head] == Heads(heads._folder).list()


def test_a_version_is_brought_up_to_date_by_what_changed_alone(heads, workshop):
    """The sums are those of the head before, less what was removed, and what was added."""
    first = ready(heads)
    removed, added = np.array([4, 7]), examples.check(unit(2, seed=9), ["d", "a"])
    after = examples.changed(labelled(), removed, added)
    version = begun(heads, given=after)
    head = workshop.update("x", version, first, removed, 2, nothing)
    assert (head.serving, head.versions[0].state) == (2, State.READY)
    found, expected = artifact.read(heads.folders.artifact("x", version)).moments, Moments.of(after)
    assert found.classes == expected.classes == ("a", "b", "c", "d")
    for name in ("counts", "sums", "grams"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)


def test_heads_of_this_server_and_of_others_are_merged(heads, workshop, tmp_path):
    here = ready(heads, "here")
    artifact.write(tmp_path / "there", fitted(classes=("c", "d")))
    version = heads.begin("both", here.config).versions[0]
    parts = [heads.folders.artifact("here", here), artifact.pack(tmp_path / "there", here.config)]
    assert workshop.merge("both", version, parts, nothing).serving == 1
    assert heads.predictor("both")[1].classes == ("a", "b", "c", "d")
    assert sorted(path.name for path in heads._folder.iterdir()) == ["both", "here"]


def test_an_archive_that_is_no_head_fails_the_merge(heads, workshop):
    version = heads.begin("both", begun(heads).config).versions[0]
    head = workshop.merge("both", version, [b"no head", b"no head"], nothing)
    assert head.versions[0].failure.startswith("the archive is no head as it was exported")


def judged(workshop, heads, version, given, work=None):
    head = heads.folders.artifact("x", version)

    def question(folder):
        examples.save(folder / "examples", given)
        return Evaluate(artifact=head, examples=folder / "examples")

    return workshop.judge(question, nothing, work or Work(head))


def test_questions_are_answered_beside_a_training_with_the_threads_that_they_may_use(heads, workshop):
    version = ready(heads)
    thread, _, _, _, started = training(workshop, heads, "y")
    assert started.wait(60)
    assert judged(workshop, heads, version, labelled(7)) == {"example_count": 7, "threads": "1"}
    assert thread.is_alive()
    workshop.delete("y")
    thread.join(30)
    assert sorted(path.name for path in heads._folder.iterdir()) == ["x"]


def test_a_question_that_nobody_waits_for_is_not_answered(heads, workshop):
    work = Work()
    work.stop(ShuttingDown("nobody waits"))
    with pytest.raises(ShuttingDown, match="nobody waits"):
        judged(workshop, heads, ready(heads), labelled(7), work)


def test_a_training_ends_when_its_head_is_deleted_and_the_name_is_free(heads, workshop):
    thread, outcome, _, _, started = training(workshop, heads)
    assert started.wait(60)
    workshop.delete("x")
    thread.join(30)
    assert not thread.is_alive()
    assert isinstance(outcome[0], NotFound)
    assert workshop.train("x", begun(heads), nothing).serving == 1


def test_a_training_ends_when_it_is_cancelled_and_the_version_that_serves_and_the_next_one_do_not_mind(heads, workshop):
    before = ready(heads)
    thread, outcome, version, _, started = training(workshop, heads)
    assert started.wait(60)
    assert workshop.cancel("x").number == version.number == 2
    again = begun(heads)  # at once
    thread.join(30)
    assert isinstance(outcome[0], NotFound)
    head = heads.get("x")
    assert (head.serving, head.version(2).state, head.version(2).failure) == (1, State.FAILED, CANCELLED)
    assert not heads.folders.of("x", version).exists()
    assert heads.predictor("x")[0].folder == before.folder
    assert workshop.train("x", again, nothing).serving == 3
    assert Heads(heads._folder).list() == heads.list()


def test_only_what_is_trained_is_cancelled_and_twice_is_once(heads, workshop):
    version = ready(heads)
    with pytest.raises(NotReady, match="head 'x' is not being trained; version 1 is ready"):
        workshop.cancel("x")
    assert heads.folders.artifact("x", version).exists()
    begun(heads)
    assert workshop.cancel("x") == workshop.cancel("x")
    with pytest.raises(NotFound):
        workshop.cancel("y")


def test_what_ends_after_it_was_cancelled_changes_nothing(heads, workshop):
    version = begun(heads)
    workshop.cancel("x")
    for late in (lambda: heads.finish("x", version, 1.0), lambda: heads.fail("x", version, "late")):
        with pytest.raises((NotFound, DataDamaged)):
            late()
    assert heads.get("x").versions[0].failure == CANCELLED


def test_a_version_that_is_interrupted_by_the_end_says_so_at_the_next_start(heads, workshop):
    thread, outcome, _, _, started = training(workshop, heads)
    assert started.wait(60)
    workshop.close()
    thread.join(30)
    assert isinstance(outcome[0], ShuttingDown)
    assert heads.get("x").versions[0].state is State.TRAINING
    assert Heads(heads._folder).get("x").versions[0].failure.startswith("interrupted")
    with pytest.raises(ShuttingDown):
        workshop.train("z", begun(heads, "z"), nothing)


def test_an_error_of_the_caller_is_his(tmp_path):
    order = Train(examples=tmp_path, options=TrainingOptions(), artifact=tmp_path / "head")
    with pytest.raises(TrainingFailed, match="DataDamaged"):
        Trainer().carry_out(order, nothing, Work())
    examples.save(tmp_path / "examples", labelled())
    options = TrainingOptions(strength=REFUSED)
    order = Train(examples=tmp_path / "examples", options=options, artifact=tmp_path / "head")
    with pytest.raises(InvalidInput, match="the options do not go together"):
        Trainer().carry_out(order, nothing, Work())


def test_the_server_does_not_load_what_trains():
    program = "import sys, frostline.server.heads.workshop as _; print([x for x in sys.modules if 'sklearn' in x])"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "[]\n"
