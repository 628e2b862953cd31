import numpy as np
import pytest
from PIL import Image

from frostline.client import Client


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (20, 20), "red").save(path)
    return path


def test_texts_are_shown_with_norm_and_tokens(frostline):
    shown = frostline("embed", "--encoder", "tiny", "a red cat", "a blue dog in the house")
    assert shown.exit_code == 0
    heading, first, second, footer = shown.stdout.splitlines()
    assert heading.split() == ["INPUT", "FIRST", "VALUES", "NORM", "TOKENS"]
    assert first.split()[:3] == ["a", "red", "cat"]
    assert first.split()[-2:] == ["1.0000", "5"]
    assert second.split()[-1] == "8"
    assert footer.startswith("2 vectors of 32 dimensions in ")


def test_json_holds_the_vectors_the_client_gets(answer, target):
    told = answer("embed", "--encoder", "tiny", "a red cat", "a blue dog")
    with Client(target) as client:
        expected = client.embed(["a red cat", "a blue dog"], "tiny").vectors
    np.testing.assert_allclose(told["vectors"], expected, atol=1e-6)
    assert told["errors"] == []
    assert told["timings"]["inference_seconds"] > 0


@pytest.mark.parametrize("arguments", [["-"], []])
def test_lines_of_stdin_are_texts(answer, arguments):
    told = answer("embed", "--encoder", "tiny", *arguments, input="a red cat\na dog\n")
    assert told["token_counts"] == [5, 4]


def test_options_reach_the_encoder(answer, target):
    options = ["--dimensions", "8", "--no-normalize", "--layer", "embeddings", "--prefix", "the "]
    told = answer("embed", "--encoder", "tiny", "cat", *options, "--dtype", "float16")
    with Client(target) as client:
        expected = client.embed(["the cat"], "tiny", dimensions=8, normalize=False, layer="embeddings").vectors
    np.testing.assert_allclose(told["vectors"], expected, rtol=1e-3, atol=1e-3)
    assert told["space"]["layer"] == "embeddings"


def test_out_saves_the_vectors(frostline, tmp_path):
    path = tmp_path / "vectors.npy"
    assert frostline("embed", "--encoder", "tiny", "cat", "dog", "--out", str(path)).exit_code == 0
    saved = np.load(path)
    assert (saved.shape, saved.dtype) == ((2, 32), np.float32)


def test_images_are_embedded_and_a_broken_one_fails_alone(frostline, picture, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:40])
    result = frostline("embed", "--encoder", "tiny-image", "--file", str(picture), "--file", str(broken))
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert result.stderr.startswith(f"error: 1 of 2 inputs failed; '{broken}': ")
    assert result.stderr.count("\n") == 1


def test_a_text_that_is_too_long_is_refused_only_when_asked(answer, refusal):
    assert answer("embed", "--encoder", "tiny", "cat " * 100)["truncated"] == [True]
    assert "64" in refusal("embed", "--encoder", "tiny", "cat " * 100, "--truncate", "error")


def test_a_file_that_does_not_exist_is_named(refusal, tmp_path):
    assert "missing.png" in refusal("embed", "--encoder", "tiny-image", "--file", str(tmp_path / "missing.png"))


def test_empty_stdin_is_an_error(refusal):
    assert "stdin is empty" in refusal("embed", "--encoder", "tiny", input="")


@pytest.mark.parametrize(
    "arguments", [["cat", "--file", "x.png"], ["cat", "--prompt", "query", "--prefix", "q"], ["cat", "--dtype", "int4"]]
)
def test_contradictions_are_usage_errors(frostline, arguments):
    assert frostline("embed", *arguments).exit_code == 2
