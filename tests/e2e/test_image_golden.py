import json
from pathlib import Path

import numpy as np
import pytest

from frostline.client import AsyncClient, Client, Record

NAME = "mobilenet-v2"
MODEL = Path("models") / "mobilenet_v2_imagenet"


@pytest.fixture(scope="module")
def client(served, fixtures):
    with Client(served.target) as client:
        encoder = client.add_encoder(NAME, fixtures / MODEL)
        assert encoder.checks
        assert all(check.passed for check in encoder.checks)
        yield client


def images(fixtures: Path, count: int) -> list[Path]:
    return sorted((fixtures / "datasets" / "imagenet_sample_1000" / "images").glob("*.jpg"))[:count]


def test_the_golden_vectors_come_through_the_service(client, fixtures):
    cases = json.loads((fixtures / MODEL / "golden.json").read_text())["cases"]
    result = client.embed([fixtures / case["image"] for case in cases], NAME, normalize=False)
    assert not result.errors
    for case, vector in zip(cases, result.vectors, strict=True):
        norm = np.linalg.norm(vector)
        assert vector.shape == (case["dim"],)
        assert norm == pytest.approx(case["l2"], rel=1e-4)
        np.testing.assert_allclose(vector[:8] / norm, np.array(case["first8"]) / case["l2"], rtol=0, atol=1e-4)


def test_one_broken_image_of_32_fails_alone(client, fixtures):
    files = [path.read_bytes() for path in images(fixtures, 32)]
    right = client.embed(files, NAME).vectors
    files[7] = files[7][: len(files[7]) // 2]
    result = client.embed(files, NAME)
    assert list(result.errors) == [7]
    assert result.errors[7].reason == "INVALID_INPUT"
    assert result.vectors.shape == (32, 1280)
    assert not result.vectors[7].any()
    others = np.arange(32) != 7
    np.testing.assert_allclose(result.vectors[others], right[others], rtol=1e-5, atol=1e-4)
    assert len(client.embed([files[0]], NAME).vectors) == 1


@pytest.mark.parametrize("batch_size", [64, 8])
async def test_a_stream_of_images_gives_what_one_call_gives(client, served, fixtures, batch_size):
    files = images(fixtures, 24)
    whole = client.embed(files, NAME).vectors
    async with AsyncClient(served.target) as asynchronous:
        streamed = await asynchronous.embed(files, NAME, batch_size=batch_size)
    np.testing.assert_allclose(streamed.vectors, whole, atol=1e-5)


def test_images_are_found_by_images(client, fixtures):
    files = images(fixtures, 12)
    client.create_collection("pictures", encoder=NAME)
    client.upsert("pictures", [Record(path.stem, image=path) for path in files])
    assert client.search("pictures", files[5], limit=1)[0].id == files[5].stem
