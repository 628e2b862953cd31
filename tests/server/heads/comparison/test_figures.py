"""Each figure of a comparison against the same figure found the long way."""

import numpy as np
import pytest

from clouds import clouds
from frostline.server.heads.comparison.distance import separability, transfer
from frostline.server.heads.comparison.evidence import log_evidence
from frostline.server.heads.comparison.h_score import h_score
from frostline.server.heads.comparison.neighbors import of_neighbors
from frostline.server.heads.comparison.report import Transfer
from frostline.server.heads.comparison.ridge import PENALTIES, leave_one_out
from frostline.server.heads.comparison.spectrum import Spectrum, one_hot
from frostline.server.heads.interval import Interval

WIDE, TALL = 64, 6
"""More dimensions than examples, and fewer."""


@pytest.fixture(params=[WIDE, TALL], ids=["wide", "tall"])
def labelled(request):
    return clouds(17, 9, 11, dimensions=request.param, spread=1.5)


def figures(measure, labelled):
    return measure(Spectrum.of(labelled.features), labelled.targets, len(labelled.classes))


def ridge(features, columns, penalty):
    """Learns anew: coefficients and intercept, the latter unpenalised."""
    mean, height = features.mean(axis=0), columns.mean(axis=0)
    centred = features - mean
    coef = np.linalg.solve(centred.T @ centred + penalty * np.eye(centred.shape[1]), centred.T @ (columns - height))
    return lambda rows: (rows - mean) @ coef + height


def test_what_is_said_of_an_example_is_what_the_others_would_teach(labelled):
    found = figures(leave_one_out, labelled)
    wide, columns = labelled.features.astype(np.float64), one_hot(labelled.targets, 3)
    penalty = found.penalty * Spectrum.of(labelled.features).scale
    for row in range(len(wide)):
        others = np.arange(len(wide)) != row
        said = ridge(wide[others], columns[others], penalty)(wide[row])
        assert found.scores[row] == pytest.approx(said, abs=1e-9)


def test_the_penalty_is_the_one_of_least_error(labelled):
    found = figures(leave_one_out, labelled)
    wide, columns = labelled.features.astype(np.float64), one_hot(labelled.targets, 3)
    scale, errors = Spectrum.of(labelled.features).scale, []
    for penalty in PENALTIES:
        missed = [
            columns[row] - ridge(np.delete(wide, row, 0), np.delete(columns, row, 0), penalty * scale)(wide[row])
            for row in range(len(wide))
        ]
        errors.append(np.mean(np.square(missed)))
    assert (found.penalty, found.error) == (PENALTIES[np.argmin(errors)], pytest.approx(min(errors)))


def test_evidence_is_the_greatest_likelihood_of_the_labels(labelled):
    wide, columns = labelled.features.astype(np.float64), one_hot(labelled.targets, 3)
    contrasts = np.linalg.qr(np.column_stack([np.ones(len(wide)), np.eye(len(wide))[:, 1:]]))[0][:, 1:]
    values, axes = np.linalg.eigh(contrasts.T @ wide @ wide.T @ contrasts)
    along = (axes.T @ contrasts.T @ columns) ** 2
    noise, prior = np.geomspace(1e-4, 1, 161)[:, np.newaxis, np.newaxis], np.geomspace(1e-4, 10, 161)[:, np.newaxis]
    spread = noise + prior * np.maximum(values, 0)
    likelihoods = [(-(np.log(2 * np.pi * spread) + each / spread).sum(axis=-1) / 2).max() for each in along.T]
    assert figures(log_evidence, labelled) == pytest.approx(np.mean(likelihoods) / len(wide), abs=1e-3)


def test_h_score_is_that_of_covariances_written_out(labelled):
    wide = labelled.features.astype(np.float64)
    centred, (count, dimensions) = wide - wide.mean(axis=0), wide.shape
    covariance = centred.T @ centred / count
    even = np.trace(covariance) / dimensions * np.eye(dimensions)
    unsure = sum(np.sum((np.outer(row, row) - covariance) ** 2) for row in centred) / count**2
    share = unsure / np.sum((covariance - even) ** 2)
    assert 0 < share < 1
    shrunk = (1 - share) * covariance + share * even
    means = np.stack([centred[labelled.targets == target].mean(axis=0) for target in labelled.targets])
    assert figures(h_score, labelled) == pytest.approx(
        (1 - share) * np.trace(np.linalg.solve(shrunk, means.T @ means / count))
    )


def test_neighbors_vote_without_the_example_itself(labelled):
    unit = labelled.features / np.linalg.norm(labelled.features, axis=1, keepdims=True)
    said = []
    for row, closeness in enumerate(unit @ unit.T):
        closeness[row] = -np.inf
        nearest = np.argsort(-closeness)[:5]
        votes = np.bincount(labelled.targets[nearest], minlength=3)
        said.append({target for target in range(3) if votes[target] == votes.max()})
    found = of_neighbors(labelled.features, labelled.targets, 3).tolist()
    assert all(one in those for one, those in zip(found, said, strict=True))
    alone = np.array([[1, 0], [0.9, 0.1], [0, 1]], np.float32)
    assert of_neighbors(alone, np.array([0, 1, 1]), 2).tolist() == [1, 0, 1]


def test_examples_that_are_all_alike_have_figures_too():
    same, targets = np.ones((6, 4), np.float32), np.array([0, 0, 0, 0, 1, 1])
    spectrum = Spectrum.of(same)
    assert leave_one_out(spectrum, targets, 2).scores.argmax(axis=1).tolist() == [0] * 6
    assert np.isfinite(log_evidence(spectrum, targets, 2))
    assert h_score(spectrum, targets, 2) == 0


@pytest.mark.parametrize("count", [2, 6])
def test_classes_that_the_features_give_away_have_figures_too(count):
    targets = np.arange(count) % 2
    spectrum = Spectrum.of(np.eye(count, dtype=np.float32)[targets])
    assert np.isfinite(leave_one_out(spectrum, targets, 2).scores).all()
    assert np.isfinite(log_evidence(spectrum, targets, 2))
    assert h_score(spectrum, targets, 2) >= 0


def test_what_an_encoder_has_seen_lies_near_and_other_things_far():
    draw = np.random.default_rng(0).standard_normal
    seen, same, moved = (draw((400, 12)).astype(np.float32) for _ in range(3))
    assert separability(same, seen).value < 0.2
    far = separability(moved + 4, seen)
    assert (far.low, far.value) > (0.9, 0.9)
    assert separability(moved[:7] + 4, seen).value > 0.5, "as many are taken of the one as of the other"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 0.4, Transfer.NEAR),
        (0.1, 0.5, Transfer.BETWEEN),
        (0.4, 0.9, Transfer.BETWEEN),
        (0.5, 0.9, Transfer.FAR),
    ],
)
def test_near_and_far_are_said_where_the_whole_interval_is(low, high, said):
    assert transfer(Interval(value=0.4, low=low, high=high)) is said
