"""Searches on a GPU; the stand-in for it is FAISS on the CPU, which takes the same indexes and parameters."""

import faiss
import numpy as np
import pytest

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors.device import Device
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.collections.vectors.selection import Selection
from frostline.server.errors import InvalidInput
from segments_made import DIMENSIONS, ROWS, asked, nearest_of_each

METRICS = list(Metric)
FLAT, LISTS = Device("cuda:0"), Device("cuda:0", flat_bytes=0)


@pytest.fixture
def gpu(monkeypatch):
    """Which indexes went to which device."""
    sent = []

    def send(resources, number, index):
        sent.append((number, type(index).__name__))
        return index

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", send, raising=False)
    return sent


def opened(segment_folder, metric, device, kind=IndexKind.IVF_PQ):
    return SegmentVectors.open(segment_folder(kind, metric), 0, metric, DIMENSIONS, ROWS, device)


def recall(found, truth):
    return np.mean([len(np.intersect1d(*pair)) / len(pair[1]) for pair in zip(found.rows, truth, strict=True)])


@pytest.mark.parametrize("metric", METRICS)
def test_all_rows_are_compared_where_they_fit(segment_folder, gpu, metric):
    segment = opened(segment_folder, metric, FLAT)
    found, exact = (segment.search(asked(metric, 20), 10, exact_only=each) for each in (False, True))
    truth = list(nearest_of_each(segment.vectors, asked(metric, 20), metric, 10))
    assert gpu == [(0, "IndexFlatL2" if metric is Metric.EUCLIDEAN else "IndexFlatIP")]
    assert found.plan == exact.plan == ("gpu_scan", 20 * ROWS, 0, 1.0)
    assert recall(found, truth) == recall(exact, truth) == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_lists_find_what_the_index_promises_where_they_do_not(segment_folder, gpu, metric):
    segment = opened(segment_folder, metric, LISTS)
    assert gpu == [(0, "IndexIVFScalarQuantizer")]
    for k in (1, 10, 100):
        found = segment.search(asked(metric), k)
        truth = list(nearest_of_each(segment.vectors, asked(metric), metric, k))
        assert found.plan.name == "gpu_ivf"
        assert recall(found, truth) >= 0.95
        assert recall(found, truth) >= found.plan.recall - 0.01
    assert segment.search(asked(metric), 10, exact_only=True).plan.name == "exact_scan"


@pytest.mark.parametrize("device", [FLAT, LISTS])
def test_rows_that_are_gone_are_not_found_and_others_in_their_stead(segment_folder, gpu, device):
    segment = opened(segment_folder, Metric.COSINE, device)
    alive = np.random.default_rng(5).random(ROWS) < 0.9
    found = segment.search(asked(Metric.COSINE), 10, Selection.of(np.flatnonzero(alive), ROWS))
    truth = list(nearest_of_each(segment.vectors, asked(Metric.COSINE), Metric.COSINE, 10, alive))
    assert found.plan.name.startswith("gpu_")
    assert alive[found.rows].all()
    assert recall(found, truth) >= (1.0 if device is FLAT else 0.95)


def test_what_a_device_cannot_do_is_done_by_the_cpu(segment_folder, gpu):
    few = Selection.of(np.arange(2_000), ROWS)
    segment = opened(segment_folder, Metric.DOT, FLAT)
    assert not segment.search(asked(Metric.DOT), 10, few).plan.name.startswith("gpu_")
    assert not segment.search(asked(Metric.DOT, 2), 3_000).plan.name.startswith("gpu_")
    graph = opened(segment_folder, Metric.DOT, LISTS, IndexKind.HNSW)
    assert graph.search(asked(Metric.DOT), 10).plan.name == "hnsw"


def test_a_missing_gpu_is_refused(segment_folder):
    for name in ("cuda:99", "cuda", "tpu:0"):
        with pytest.raises(InvalidInput, match="take cpu"):
            opened(segment_folder, Metric.DOT, Device(name))
