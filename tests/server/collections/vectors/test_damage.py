"""Files that are not what was written."""

import json
import shutil

import numpy as np
import pytest

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors import vector_index
from frostline.server.collections.vectors.building import build
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.errors import DataDamaged

ROWS, DIMENSIONS = 2_400, 8


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    vectors = np.random.default_rng(0).standard_normal((ROWS, DIMENSIONS)).astype(np.float32)
    (folder / "0.f32").write_bytes(vectors.tobytes())
    build(vectors, folder, 0, Metric.EUCLIDEAN, IndexKind.IVF_PQ, 0.9, 1, lambda _stage, _done: None)
    return folder


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "segment")


def opened(folder, metric=Metric.EUCLIDEAN, dimensions=DIMENSIONS, rows=ROWS):
    return SegmentVectors.open(folder, 0, metric, dimensions, rows)


def test_undamaged_files_open(folder):
    assert opened(folder).search(np.zeros((1, DIMENSIONS), np.float32), 5).rows.shape == (1, 5)


@pytest.mark.parametrize("name", ["0.f32", "0.faiss", "0.json"])
def test_missing_and_short_files_are_found(folder, name):
    content = (folder / name).read_bytes()
    for length in (len(content) - 1, len(content) // 2, 0):
        (folder / name).write_bytes(content[:length])
        with pytest.raises(DataDamaged):
            opened(folder)
    (folder / name).unlink()
    with pytest.raises(DataDamaged):
        opened(folder)


def test_every_flipped_bit_of_the_index_is_found(folder):
    content = (folder / "0.faiss").read_bytes()
    random = np.random.default_rng(0)
    for place in [*range(0, 120, 3), *random.integers(0, len(content), 40).tolist()]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        (folder / "0.faiss").write_bytes(flipped)
        with pytest.raises(DataDamaged, match="rebuild"):
            opened(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lists", 1 << 40),
        ("lists", 5),
        ("kind", "pickle"),
        ("kind", "hnsw"),
        ("ball_sizes", [1, ROWS]),
        ("list_ranks", []),
        ("coverage", [[2.0]]),
        ("candidates", [-1, 5]),
        ("nprobe", [-1, 5]),
        ("turned", 16),
        ("filtered_shares", [float("nan"), 1.0]),
        ("row_seconds", -1),
        ("measured", [{"selectivity": 0, "correlated": False, "recall": 1.0, "plan": ""}]),
        ("unknown", 1),
        ("rows", ROWS + 1),
        ("metric", "cosine"),
    ],
)
def test_senseless_tuning_tables_are_found(folder, field, value):
    table = json.loads((folder / "0.json").read_text())
    table[field] = value
    (folder / "0.json").write_text(json.dumps(table))
    with pytest.raises(DataDamaged):
        opened(folder)


def test_another_index_under_the_right_checksum_is_found(folder, tmp_path):
    """As a file would be that was put together from two builds."""
    other = tmp_path / "other"
    other.mkdir()
    vectors = np.zeros((ROWS - 200, DIMENSIONS), np.float32)
    build(vectors, other, 0, Metric.EUCLIDEAN, IndexKind.IVF_PQ, 0.9, 1, lambda _stage, _done: None)
    shutil.copy(other / "0.faiss", folder / "0.faiss")
    table = json.loads((folder / "0.json").read_text())
    table["index_bytes"] = (folder / "0.faiss").stat().st_size
    table["index_crc"] = vector_index.file_crc(folder / "0.faiss")
    (folder / "0.json").write_text(json.dumps(table))
    with pytest.raises(DataDamaged, match="was written"):
        opened(folder)


def test_other_vectors_than_the_segment_has_are_refused(folder):
    for arguments in ({"metric": Metric.DOT}, {"dimensions": 8, "rows": 2 * ROWS}, {"rows": ROWS - 1}):
        with pytest.raises(DataDamaged):
            opened(folder, **arguments)


def test_a_build_can_be_ended(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((2_000, 4)).astype(np.float32)

    class Ended(Exception):
        pass

    for last in ("train", "add", "measure", "tune"):

        def report(stage, done, last=last):
            assert 0 <= done <= 1
            if stage == last:
                raise Ended

        with pytest.raises(Ended):
            build(vectors, tmp_path, 0, Metric.EUCLIDEAN, IndexKind.IVF_PQ, 0.9, 1, report)
        assert not (tmp_path / "0.json").exists()
