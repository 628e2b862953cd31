import asyncio
import math
import threading

import grpc
import numpy as np
import pytest

from frostline.server.api import encoder_service, inputs
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import encoder_service_pb2 as e
from frostline.wire import tensors
from raw import detail, embed_request, item_errors, picture, refused, rows, until_error, vector
from tiny import HIDDEN, IMAGE_DIMENSIONS, MAX_TOKENS


async def test_texts_become_unit_vectors_of_the_encoders_space(server):
    response = await server.calls.Embed(embed_request("the red cat", "a blue dog"))
    assert rows(response).shape == (2, HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(rows(response), axis=1), 1, atol=1e-5)
    assert response.space == (await server.calls.GetEncoder(e.GetEncoderRequest(name="encoders/tiny"))).default_space
    assert list(response.token_counts) == [5, 5]
    assert response.timings.inference_seconds > 0


async def test_one_broken_image_among_32_inputs_spoils_one_item_and_the_server_stays_healthy(server):
    pictures = [picture(seed) for seed in range(32)]
    whole = rows(await server.calls.Embed(embed_request(*pictures, encoder="tiny-image")))
    pictures[17] = pictures[17][:100]
    response = await server.calls.Embed(embed_request(*pictures, encoder="tiny-image"))
    assert item_errors(response) == {17: "INVALID_INPUT"}
    assert response.errors[0].code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    others = [index for index in range(32) if index != 17]
    np.testing.assert_allclose(rows(response)[others], whole[others], atol=1e-5)
    assert not rows(response)[17].any()
    assert rows(await server.calls.Embed(embed_request("still here"))).any()


async def test_inputs_of_the_wrong_kind_fail_alone(server):
    nothing = pb.Input()
    response = await server.calls.Embed(embed_request("text", picture(), nothing, np.ones(3), np.ones(HIDDEN)))
    assert item_errors(response) == {1: "INVALID_INPUT", 2: "INVALID_INPUT", 3: "INVALID_INPUT"}
    assert "takes text" in response.errors[0].message
    assert str(HIDDEN) in response.errors[2].message
    response = await server.calls.Embed(embed_request("text", picture(), encoder="tiny-image"))
    assert item_errors(response) == {0: "INVALID_INPUT"}
    assert rows(response).shape == (2, IMAGE_DIMENSIONS)


async def test_errors_keep_the_positions_of_the_request_when_vectors_lie_between(server):
    inputs = [np.ones(IMAGE_DIMENSIONS), picture(), b"no image", np.ones(IMAGE_DIMENSIONS), b"", picture(1)]
    response = await server.calls.Embed(embed_request(*inputs, encoder="tiny-image"))
    assert item_errors(response) == {2: "INVALID_INPUT", 4: "INVALID_INPUT"}
    assert rows(response).any(axis=1).tolist() == [True, True, False, True, False, True]


async def test_a_text_that_is_too_long_is_cut_right_or_left_or_fails(server):
    long = "cat " * MAX_TOKENS + "dog"
    right, left = [
        await server.calls.Embed(embed_request(long, truncate=side))
        for side in (pb.TRUNCATE_UNSPECIFIED, pb.TRUNCATE_LEFT)
    ]
    assert right.truncated == [True]
    assert right.token_counts == [MAX_TOKENS]
    np.testing.assert_allclose(rows(right), rows(await server.calls.Embed(embed_request("cat " * 62))), atol=1e-5)
    assert np.abs(rows(right) - rows(left)).max() > 1e-3
    response = await server.calls.Embed(embed_request("short", long, truncate=pb.TRUNCATE_ERROR))
    assert item_errors(response) == {1: "INVALID_INPUT"}


async def test_prompts_are_prefixes_by_name_or_literally(server):
    async def embedded(text, prompt=None):
        return rows(await server.calls.Embed(embed_request(text, prompt=prompt)))

    named = await embedded("red", pb.Prompt(name="query"))
    np.testing.assert_allclose(named, await embedded("query: red"), atol=1e-5)
    np.testing.assert_allclose(await embedded("red", pb.Prompt(literal="query: ")), named, atol=1e-5)
    plain = await embedded("red")
    assert np.abs(plain - named).max() > 1e-3
    np.testing.assert_allclose(await embedded("red", pb.Prompt(name="document")), plain, atol=1e-5)  # none declared


async def test_an_unknown_prompt_is_not_found_and_the_known_ones_are_named(server):
    error = await refused(server.calls.Embed(embed_request("x", prompt=pb.Prompt(name="questions"))))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    for name in ("questions", "clustering", "document", "query"):
        assert name in error.details()


async def test_dimensions_are_cut_and_normalised_again(server):
    whole = rows(await server.calls.Embed(embed_request("red cat")))
    response = await server.calls.Embed(embed_request("red cat", dimensions=8))
    cut = whole[:, :8] / np.linalg.norm(whole[:, :8])
    np.testing.assert_allclose(rows(response), cut, atol=1e-6)
    assert response.space.dimensions == 8
    error = await refused(server.calls.Embed(embed_request("x", dimensions=HIDDEN + 1)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert str(HIDDEN + 1) in error.details()


async def test_normalize_false_gives_the_graphs_own_lengths(server):
    response = await server.calls.Embed(embed_request("red cat", normalize=False))
    assert abs(np.linalg.norm(rows(response)) - 1) > 0.01
    assert not response.space.normalize


async def test_layers_are_spaces_of_their_own(server):
    described = await server.calls.GetEncoder(e.GetEncoderRequest(name="encoders/tiny"))
    shallow = described.layers[0].name
    response = await server.calls.Embed(embed_request("red cat", layer=shallow))
    assert response.space.layer == shallow != described.default_space.layer
    error = await refused(server.calls.Embed(embed_request("x", layer="basement")))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert shallow in error.details()


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(pb.DTYPE_FLOAT32, 0), (pb.DTYPE_FLOAT16, 1e-3), (pb.DTYPE_INT8, 5e-3)]
)
async def test_answers_come_in_the_dtype_asked_for(server, dtype, tolerance):
    exact = rows(await server.calls.Embed(embed_request("red cat")))
    response = await server.calls.Embed(embed_request("red cat", dtype=dtype))
    assert response.embeddings.dtype == dtype
    np.testing.assert_allclose(rows(response), exact, atol=tolerance + 1e-6)


async def test_vectors_are_only_cut_and_normalised(server):
    values = np.arange(HIDDEN, dtype=np.float32)
    response = await server.calls.Embed(embed_request(values, dimensions=4))
    np.testing.assert_allclose(rows(response), [values[:4] / np.linalg.norm(values[:4])], atol=1e-6)
    bad = values.copy()
    bad[3] = math.nan
    response = await server.calls.Embed(embed_request(bad))
    assert item_errors(response) == {0: "INVALID_INPUT"}


async def test_a_vector_of_another_space_fails_with_space_mismatch(server):
    space = (await server.calls.Embed(embed_request("x", encoder="tiny"))).space
    fine = pb.Input(vector=vector(np.ones(HIDDEN), space))
    space_of_another = pb.EmbeddingSpace()
    space_of_another.CopyFrom(space)
    space_of_another.fingerprint = "0" * 64
    foreign = pb.Input(vector=vector(np.ones(HIDDEN), space_of_another))
    response = await server.calls.Embed(embed_request(fine, foreign))
    assert item_errors(response) == {1: "SPACE_MISMATCH"}
    assert response.errors[0].code == grpc.StatusCode.FAILED_PRECONDITION.value[0]


async def test_unknown_encoders_and_malformed_names_are_told_apart(server):
    error = await refused(server.calls.Embed(embed_request("x", encoder="nobody")))
    assert (error.code(), detail(error).reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert "tiny-image" in error.details()
    error = await refused(server.calls.Embed(e.EmbedRequest(encoder="tiny")))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "encoders/" in error.details()


async def test_too_many_inputs_are_refused_with_the_limit(server):
    error = await refused(server.calls.Embed(embed_request(*["x"] * 10_001)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "10000" in error.details()


async def test_no_inputs_are_an_empty_answer(server):
    response = await server.calls.Embed(embed_request())
    assert list(response.embeddings.shape) == [0, HIDDEN]


async def test_a_stream_is_answered_in_order_whatever_the_sizes(server):
    texts = [["cat " * (1 + (7 * n + k) % 40) for k in range(1 + 13 * (n % 3))] for n in range(20)]
    stream = server.calls.EmbedStream(iter([embed_request(*batch) for batch in texts]))
    answers = [answer async for answer in stream]
    assert [len(answer.token_counts) for answer in answers] == [len(batch) for batch in texts]
    for batch, answer in zip(texts, answers, strict=True):
        assert list(answer.token_counts) == [text.count("cat") + 2 for text in batch]


async def test_a_bad_request_ends_its_stream_after_the_answers_before_it(server):
    requests = [embed_request("a"), embed_request("b"), embed_request("c", layer="basement"), embed_request("d")]
    answers, error = await until_error(server.calls.EmbedStream(iter(requests)))
    assert len(answers) == 2
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_calls_side_by_side_get_their_own_vectors(server):
    texts = ["cat", "dog and house", "the red line", "a b c d e f"]
    alone = [rows(await server.calls.Embed(embed_request(text))) for text in texts]
    together = await asyncio.gather(*(server.calls.Embed(embed_request(text)) for text in texts * 8))
    for number, response in enumerate(together):
        np.testing.assert_allclose(rows(response), alone[number % 4], atol=1e-5)


async def test_a_deadline_that_passes_ends_the_call(server):
    error = await refused(server.calls.Embed(embed_request(*["cat " * 60] * 5000), timeout=0.05))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert rows(await server.calls.Embed(embed_request("next"))).any()


async def test_arrays_are_worked_on_in_threads_and_not_where_all_calls_are_served(server, monkeypatch):
    here, where = threading.current_thread(), []

    def watched(function):
        def call(*arguments):
            where.append(threading.current_thread())
            return function(*arguments)

        return call

    monkeypatch.setattr(encoder_service, "_source", watched(encoder_service._source))
    monkeypatch.setattr(tensors, "encode", watched(tensors.encode))
    monkeypatch.setattr(inputs, "_take", watched(inputs._take))
    await server.calls.Embed(embed_request(np.ones(HIDDEN)))
    assert len(where) == 3
    assert here not in where
