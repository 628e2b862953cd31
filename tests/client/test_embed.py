import numpy as np
import pytest

from fake_encoders import DIMENSIONS, embedding
from frostline.client import Internal, InvalidInput, NotFound, Timings
from frostline.v1 import embedding_pb2 as v1
from frostline.wire import tensors

TEXTS = [f"text {number}" for number in range(10)]
EXPECTED = np.stack([embedding(text.encode()) for text in TEXTS])


def test_one_batch_is_one_call(fake, client):
    result = client.embed(TEXTS, "tiny")
    np.testing.assert_array_equal(result.vectors, EXPECTED)
    assert [name for name, _ in fake.requests] == ["Embed"]


def test_several_batches_are_a_stream_put_together_in_order(fake, client):
    result = client.embed([*TEXTS, "bad", "a b c", "x" * 60], "tiny", batch_size=4)
    np.testing.assert_array_equal(result.vectors[:10], EXPECTED)
    assert [len(request.inputs) for request in fake.of("EmbedStream")] == [4, 4, 4, 1]
    assert list(result.errors) == [10]
    assert result.errors[10].index == 10
    assert not result.vectors[10].any()
    assert result.token_counts == [2] * 10 + [1, 3, 1]
    assert result.truncated == [False] * 12 + [True]
    assert result.timings == Timings(inference_seconds=2.0)
    assert result.space.pooling == "mean"
    assert fake.ended == ["served"]


def test_embeddings_are_an_array(client):
    result = client.embed(TEXTS, "tiny")
    assert len(result) == 10
    np.testing.assert_array_equal(np.asarray(result), result.vectors)
    np.testing.assert_array_equal(np.stack(list(result)), result.vectors)
    np.testing.assert_array_equal(result[3], EXPECTED[3])
    assert np.asarray(result, np.float64).dtype == np.float64
    assert np.array(result, copy=True) is not result.vectors


def test_images_come_as_bytes_or_paths(fake, client, tmp_path):
    file = tmp_path / "cat.jpg"
    file.write_bytes(b"\xff\xd8 a cat")
    result = client.embed([file, b"\xff\xd8 a cat"], "tiny")
    np.testing.assert_array_equal(result[0], embedding(b"\xff\xd8 a cat"))
    np.testing.assert_array_equal(result[0], result[1])


def test_rows_of_an_array_are_vectors_whatever_their_float(fake, client):
    matrix = np.arange(12, dtype=np.float64).reshape(3, DIMENSIONS)
    np.testing.assert_array_equal(client.embed(matrix, "tiny").vectors, matrix.astype(np.float32))
    assert {item.WhichOneof("kind") for item in fake.of("Embed")[0].inputs} == {"vector"}


def test_inputs_may_be_a_generator(client):
    np.testing.assert_array_equal(client.embed((text for text in TEXTS), "tiny", batch_size=3).vectors, EXPECTED)


async def test_inputs_may_be_asynchronous(aclient):
    async def texts():
        for text in TEXTS:
            yield text

    np.testing.assert_array_equal((await aclient.embed(texts(), "tiny", batch_size=3)).vectors, EXPECTED)


def test_batches_stay_below_the_message_limit_of_any_server(fake, client):
    images = [bytes([number]) * 1_000_000 for number in range(8)]
    result = client.embed(images, "tiny")
    np.testing.assert_array_equal(result[7], embedding(images[7]))
    assert max(request.ByteSize() for request in fake.of("EmbedStream")) < 4 * 1024 * 1024
    assert [len(request.inputs) for request in fake.of("EmbedStream")] == [3, 3, 2]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_vectors_arrive_as_float32_whatever_they_travelled_as(fake, client, dtype):
    result = client.embed(TEXTS, "tiny", dtype=dtype)
    assert fake.of("Embed")[0].options.dtype == v1.Dtype.Value(f"DTYPE_{dtype.upper()}")
    assert result.vectors.dtype == np.float32
    if dtype == "binary":
        np.testing.assert_array_equal(result.vectors, np.where(EXPECTED > 0, 1.0, -1.0))
    else:
        np.testing.assert_allclose(result.vectors, EXPECTED, atol={"float32": 0, "float16": 5e-4, "int8": 5e-3}[dtype])


def test_options_reach_the_server(fake, client):
    client.embed(
        ["x"], "tiny", prompt="query", dimensions=2, normalize=False, truncate="error", layer="layer-1", dtype="int8"
    )
    client.embed(["x"], "tiny", prefix="search: ")
    client.embed(["x"], "tiny")
    full, literal, default = (request.options for request in fake.of("Embed"))
    assert full == v1.EmbedOptions(
        prompt=v1.Prompt(name="query"),
        dimensions=2,
        normalize=False,
        truncate=v1.TRUNCATE_ERROR,
        layer="layer-1",
        dtype=v1.DTYPE_INT8,
    )
    assert literal.prompt.literal == "search: "
    assert not default.HasField("normalize")
    assert not default.HasField("prompt")


@pytest.mark.parametrize("alone", ["a text", b"an image"])
def test_a_single_input_asks_for_a_list(fake, client, alone):
    with pytest.raises(InvalidInput, match="pass a list"):
        client.embed(alone, "tiny")
    assert fake.requests == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([1], "cannot embed a int"),
        ([None], "cannot embed a NoneType"),
        (np.ones(4), "cannot embed a float64"),
        ([np.ones((2, 2))], r"vector of shape \(d,\)"),
        ([np.array(["a"])], r"vector of shape \(d,\)"),
        (["\ud800"], "no Unicode"),
    ],
)
def test_what_cannot_be_embedded_is_named(client, inputs, message):
    with pytest.raises(InvalidInput, match=message):
        client.embed(inputs, "tiny")


def test_a_file_that_cannot_be_read_is_named(client, tmp_path):
    with pytest.raises(InvalidInput, match=r"none\.jpg: No such file"):
        client.embed([tmp_path / "none.jpg"], "tiny")


def test_unknown_names_are_refused_with_the_known_ones(client):
    with pytest.raises(InvalidInput, match="float32, float16, int8, binary"):
        client.embed(["x"], "tiny", dtype="float8")
    with pytest.raises(InvalidInput, match="right, left, error"):
        client.embed(["x"], "tiny", truncate="middle")
    with pytest.raises(InvalidInput, match="exclude each other"):
        client.embed(["x"], "tiny", prompt="query", prefix="q: ")
    with pytest.raises(InvalidInput, match="batch_size 0"):
        client.embed(["x"], "tiny", batch_size=0)
    with pytest.raises(NotFound):
        client.embed(["x"], "large")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer.embeddings.shape.__setitem__(0, 2),
        lambda answer: answer.embeddings.ClearField("data"),
        lambda answer: setattr(answer.embeddings, "dtype", 77),
        lambda answer: answer.embeddings.CopyFrom(tensors.encode(np.ones((2, DIMENSIONS), np.float32))),
    ],
)
def test_an_answer_that_does_not_fit_is_the_servers_fault(fake, client, monkeypatch, spoil):
    embed = fake._embed

    def spoiled(request, context):
        answer = embed(request, context)
        spoil(answer)
        return answer

    monkeypatch.setattr(fake, "_embed", spoiled)
    with pytest.raises(Internal):
        client.embed(["a", "b", "c"], "tiny")


def test_an_encoder_replaced_in_the_middle_of_a_stream_is_noticed(fake, client, monkeypatch):
    embed = fake._embed

    def replaced(request, context):
        answer = embed(request, context)
        answer.space.fingerprint = str(len(fake.of("EmbedStream")))
        return answer

    monkeypatch.setattr(fake, "_embed", replaced)
    with pytest.raises(Internal, match="replaced"):
        client.embed(TEXTS, "tiny", batch_size=5)
