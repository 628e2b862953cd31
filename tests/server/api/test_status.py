import asyncio
import logging

import grpc

from frostline.server import errors
from frostline.server.api.status import CODES, MessageTooLarge, failure, item_error
from frostline.server.batching.batcher import Batcher
from frostline.v1 import encoder_service_pb2 as e
from frostline.wire.reasons import Reason
from in_process import open_server
from raw import detail, embed_request, refused, until_error

MIB = 1 << 20


def every_error(kind=errors.FrostlineError):
    for each in kind.__subclasses__():
        yield each
        yield from every_error(each)


def test_every_error_of_the_server_has_a_status():
    assert set(every_error()) == set(CODES)


def test_every_reason_but_internal_has_an_error():
    assert {error.reason for error in CODES} == set(Reason) - {Reason.INTERNAL}


def test_only_overload_carries_a_retry_hint():
    hint = failure(errors.Overloaded("full", 2.5), "/m").detail.retry_after
    assert hint.ToTimedelta().total_seconds() == 2.5
    for kind in set(CODES) - {errors.Overloaded}:
        assert not failure(kind("message"), "/m").detail.HasField("retry_after")


def test_long_messages_are_cut_in_calls_and_in_items():
    error = errors.InvalidInput("ü" * 100_000)
    assert len(failure(error, "/m").message) < 1000
    assert len(item_error(0, error).message) < 1000


async def test_an_unexpected_error_shows_a_log_id_and_nothing_else(data_dir, monkeypatch, caplog):
    async def broken(self, *args, **kwargs):
        raise RuntimeError("secret: /etc/passwd")

    monkeypatch.setattr(Batcher, "embed", broken)
    async with open_server(data_dir) as server:
        with caplog.at_level(logging.ERROR, "frostline"):
            error = await refused(server.calls.Embed(embed_request("x")))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert detail(error).reason == "INTERNAL"
    assert "secret" not in str(error.details()) + str(error.trailing_metadata())
    (record,) = [each for each in caplog.records if detail(error).log_id in each.getMessage()]
    assert detail(error).log_id in error.details()
    assert "secret" in str(record.exc_info)
    assert "/frostline.v1.EncoderService/Embed" in record.getMessage()


async def test_an_unexpected_error_in_a_stream_is_told_likewise(data_dir, monkeypatch):
    async def broken(self, *args, **kwargs):
        raise ValueError("secret")

    monkeypatch.setattr(Batcher, "embed", broken)
    async with open_server(data_dir) as server:
        _, error = await until_error(server.calls.EmbedStream(iter([embed_request("x")])))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in error.details()
    assert detail(error).log_id


async def test_a_message_that_cannot_travel_in_a_trailer_still_arrives_as_an_error(server):
    error = await refused(server.calls.GetEncoder(e.GetEncoderRequest(name="encoders/" + "ü😀" * 50_000)))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert detail(error).reason == "NOT_FOUND"


async def test_a_request_above_the_limit_names_the_limit_and_its_setting(data_dir):
    async with open_server(data_dir, max_message_bytes=MIB) as server:
        error = await refused(server.calls.Embed(embed_request("x" * (MIB + MIB // 2))))
        assert (error.code(), detail(error).reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
        assert str(MIB) in error.details()
        assert "max_message_bytes" in error.details()
        assert not detail(error).HasField("retry_after")
        stream = server.calls.EmbedStream(iter([embed_request("fine"), embed_request("x" * (MIB + 1))]))
        answers, streamed = await until_error(stream)
        assert len(answers) == 1
        assert detail(streamed).reason == "MESSAGE_TOO_LARGE"
        far_above = await refused(server.calls.Embed(embed_request("x" * (3 * MIB))))
        assert far_above.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # by gRPC itself
        await server.calls.Embed(embed_request("x" * (MIB - 100)))


async def test_an_answer_above_the_limit_names_the_limit_and_its_setting(data_dir):
    async with open_server(data_dir, max_message_bytes=MIB) as server:
        error = await refused(server.calls.Embed(embed_request(*["cat"] * 10_000)))
        assert detail(error).reason == "MESSAGE_TOO_LARGE"
        assert "max_message_bytes" in error.details()


async def test_overload_reaches_the_caller_with_a_hint_while_streams_wait(data_dir):
    async with open_server(data_dir, max_waiting_inputs=1) as server:
        calls = [server.calls.Embed(embed_request(*["the red cat"] * 64)) for _ in range(30)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        refusals = [each for each in results if isinstance(each, grpc.aio.AioRpcError)]
        assert refusals
        for error in refusals:
            assert (error.code(), detail(error).reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert detail(error).retry_after.ToTimedelta().total_seconds() > 0
        stream = server.calls.EmbedStream(embed_request(*["the red cat"] * 64) for _ in range(30))
        assert len([answer async for answer in stream]) == 30


def test_a_message_that_is_too_large_is_exhaustion_without_a_retry():
    assert failure(MessageTooLarge("x"), "/m").code == grpc.StatusCode.RESOURCE_EXHAUSTED
