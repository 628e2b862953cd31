from pathlib import Path

import numpy as np
import pytest

from frostline.server.errors import InvalidInput
from frostline.server.heads import examples
from frostline.server.heads.fitted import Recipe, TrainingOptions
from frostline.server.heads.orders import MeasureTransfer
from frostline.server.heads.trainer import Trainer, Work
from frostline.server.heads.transfer import contents
from frostline.server.heads.transfer.measuring import measure
from frostline.server.heads.transfer.report import TransferReport, Verdict

COUNT = 48
WORDS = np.array(["apple", "banana", "cherry"])
TARGETS = np.arange(COUNT) % 3
NOISE = np.random.default_rng(0).standard_normal((COUNT, 8))
CENTRES = np.eye(3, 8)
FILLING = np.random.default_rng(1).choice(list("abcdefghijklmnop"), (COUNT, 4))


def written(folder: Path, told: np.ndarray, said: np.ndarray, labels: np.ndarray = WORDS[TARGETS], **options: object):
    """An order.

    Args:
        told: how far the vector of each example tells its class, 0 to 1.
        said: whether its text does.
    """
    vectors = 6 * CENTRES[TARGETS] * told[:, np.newaxis] + NOISE
    texts = [
        " ".join([WORDS[target] if tells else "plum", *filling])
        for target, tells, filling in zip(TARGETS.tolist(), said.tolist(), FILLING.tolist(), strict=True)
    ]
    examples.save(folder / "examples", examples.check(vectors.astype(np.float32), labels.tolist()))
    contents.save_texts(folder / "contents", texts)
    return MeasureTransfer(
        encoder="tiny",
        examples=folder / "examples",
        contents=folder / "contents",
        options=TrainingOptions(recipe=Recipe.RIDGE),
        **options,
    )


ALL, NONE = np.ones(COUNT), np.zeros(COUNT)


def quiet(_step: str, _done: float) -> None:
    pass


def test_an_encoder_that_knows_more_is_worth_having(tmp_path):
    some = NONE.copy()
    some[::5] = 1
    told: list[tuple[str, float]] = []
    report = measure(written(tmp_path, ALL, some), lambda step, done: told.append((step, done)))
    assert report.verdict is Verdict.POSITIVE
    assert [point.shots for point in report.points] == [1, 2, 4, 8]
    assert [point.everything for point in report.points] == [False] * 3 + [True]
    assert report.points[-1].head.value > 0.9
    assert report.points[-1].difference.low > 0.2
    assert len(set(report.points[-1].head_draws)) == 1
    assert all(point.bootstrap_p < 0.05 and point.mcnemar_p < 0.05 for point in report.points[1:])
    assert report.label_saving.factor.value > 2
    assert report.seconds.saved == pytest.approx(report.seconds.scratch - report.seconds.head)
    assert told[0] == ("choosing a baseline", 0.0)
    assert (report.cost.heads, report.cost.baselines) == (31, 31)
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert TransferReport.model_validate_json(report.model_dump_json()) == report


def test_an_encoder_that_knows_less_is_not(tmp_path):
    report = measure(written(tmp_path, 0.15 * ALL, ALL), quiet)
    assert report.verdict is Verdict.NEGATIVE
    assert report.points[-1].scratch.value > 0.9
    assert report.label_saving.factor.value < 1


def test_held_out_examples_may_be_given(tmp_path):
    report = measure(written(tmp_path, ALL, ALL, held_out=12, embedding_seconds=6.0), quiet)
    assert (report.split.training_count, report.split.held_out_count, report.split.given) == (36, 12, True)
    assert report.seconds.embedding == pytest.approx(4.5)


def test_labels_that_are_held_out_are_never_looked_at(tmp_path):
    reports = [measure(written(folder(tmp_path, "before"), ALL, ALL, held_out=24), quiet)]
    labels = WORDS[TARGETS]
    labels[-24:] = np.random.default_rng(3).permutation(labels[-24:])
    reports.append(measure(written(folder(tmp_path, "after"), ALL, ALL, labels, held_out=24), quiet))
    assert reports[0].baselines == reports[1].baselines
    assert reports[0].split.training_sha256 == reports[1].split.training_sha256
    assert reports[1].points[-1].head.value < 0.6 < reports[0].points[-1].head.value


def folder(where: Path, name: str) -> Path:
    (where / name).mkdir()
    return where / name


def test_it_is_done_in_a_process_of_its_own(tmp_path):
    answer = Trainer().carry_out(written(tmp_path, ALL, NONE), quiet, Work())
    assert TransferReport.model_validate(answer).verdict is Verdict.POSITIVE


def test_bad_input_is_refused(tmp_path):
    order = written(tmp_path, ALL, ALL)
    few = folder(tmp_path, "few") / "contents"
    contents.save_texts(few, ["one", "two"])
    with pytest.raises(InvalidInput, match="2 contents come with 48 examples"):
        measure(order.model_copy(update={"contents": few}), quiet)
    blank = folder(tmp_path, "blank") / "contents"
    contents.save_texts(blank, ["one"] * 47 + [" "])
    with pytest.raises(InvalidInput, match="the text of example 47 is empty"):
        measure(order.model_copy(update={"contents": blank}), quiet)
    with pytest.raises(InvalidInput, match="are held out"):
        measure(order.model_copy(update={"held_out": 48}), quiet)


def test_examples_must_be_of_two_classes_and_no_descriptions(tmp_path):
    order = written(tmp_path, ALL, ALL)
    vectors = np.float32(NOISE)
    one = examples.check(vectors, ["plum"] * COUNT, allow_one_class=True)
    examples.save(tmp_path / "one", one)
    with pytest.raises(InvalidInput, match="all examples are of class 'plum'"):
        measure(order.model_copy(update={"examples": tmp_path / "one"}), quiet)
    examples.save(tmp_path / "described", examples.check(vectors, WORDS[TARGETS].tolist(), TARGETS == 0))
    with pytest.raises(InvalidInput, match="leave descriptions of classes out"):
        measure(order.model_copy(update={"examples": tmp_path / "described"}), quiet)
