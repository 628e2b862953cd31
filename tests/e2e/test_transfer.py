"""What a report says of real texts, through the public client."""

import json
from collections import Counter

import pytest

from frostline.client import Example

CLASSES, SHOTS = 10, 32


@pytest.mark.full
def test_a_text_encoder_helps_where_intents_are_told_apart(minilm, fixtures, tmp_path):
    def rows(part):
        lines = (fixtures / "datasets" / "banking77" / f"{part}.jsonl").read_text().splitlines()
        return [Example(text=row["text"], label=row["label"]) for row in map(json.loads, lines)]

    chosen = sorted({each.label for each in rows("test")})[:CLASSES]
    taken, learned = Counter(), []
    for example in rows("train"):
        if example.label in chosen and taken[example.label] < SHOTS:
            taken[example.label] += 1
            learned.append(example)
    judged = [each for each in rows("test") if each.label in chosen]
    steps = []
    report = minilm.measure_transfer(
        learned, held_out=judged, encoder="all-minilm-l6-v2", progress=lambda step, done: steps.append((step, done))
    )
    assert report.verdict == "positive"
    assert report.label_saving.factor.value > 1.5
    assert report.points[0].difference.low > 0
    assert (report.split.training_count, report.split.held_out_count) == (len(learned), len(judged))
    assert report.split.given
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    page = report.save_html(tmp_path / "transfer.html").read_text()
    assert report.reason in page
    assert report.split.held_out_sha256 in page
