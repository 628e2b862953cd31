import asyncio
import shutil
import threading
from collections import namedtuple

import grpc
import pytest

from frostline.server.api import additions, uploads
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.sources import hub
from frostline.server.errors import NotFound, SourceUnreachable
from frostline.v1 import encoder_service_pb2 as e
from in_process import open_server
from raw import create_request, detail, embed_request, picture, refused, rows
from tiny import tiny_bert, tiny_image

State = e.AddEncoderResponse


def spec(name="added", **fields) -> e.AddEncoderRequest:
    return e.AddEncoderRequest(spec=e.AddEncoderSpec(encoder_id=name, **fields))


def chunk(path: str, data: bytes = b"{}") -> e.AddEncoderRequest:
    return e.AddEncoderRequest(chunk=e.FileChunk(path=path, data=data))


def upload(folder, name="added", chunk_bytes=10_000, **fields) -> list[e.AddEncoderRequest]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    requests = [spec(name, total_bytes=fields.pop("total_bytes", total), **fields)]
    for path in files:
        data = path.read_bytes()
        for start in range(0, len(data), chunk_bytes):
            requests.append(chunk(str(path.relative_to(folder)), data[start : start + chunk_bytes]))
    return requests


async def add(server, requests, **options) -> list[e.AddEncoderResponse]:
    return [progress async for progress in server.calls.AddEncoder(iter(requests), **options)]


def leftovers(server) -> list:
    encoders = [path for path in (server.data_dir / "encoders").iterdir() if path.name not in ("tiny", "tiny-image")]
    return encoders + list((server.data_dir / "incoming").iterdir())


async def test_an_uploaded_checkpoint_is_built_verified_and_embeds_without_a_restart(server, tmp_path):
    folder = tiny_bert(tmp_path / "checkpoint", seed=3)
    progress = await add(server, upload(folder))
    states = [each.state for each in progress]
    assert states == sorted(states)
    assert {State.STATE_RECEIVING, State.STATE_BUILDING, State.STATE_VERIFYING, State.STATE_READY} == set(states)
    assert max(each.received_bytes for each in progress) == sum(p.stat().st_size for p in folder.rglob("*.*"))
    last = progress[-1]
    assert last.encoder.name == "encoders/added"
    assert last.checks
    assert all(check.passed for check in last.checks)
    assert rows(await server.calls.Embed(embed_request("red cat", encoder="added"))).any()
    assert not list((server.data_dir / "incoming").iterdir())
    listed = await server.calls.ListEncoders(e.ListEncodersRequest())
    assert [each.name for each in listed.encoders] == ["encoders/added", "encoders/tiny", "encoders/tiny-image"]


async def test_an_uploaded_image_model_embeds(server, tmp_path):
    await add(server, upload(tiny_image(tmp_path / "model", seed=2)))
    assert rows(await server.calls.Embed(embed_request(picture(), encoder="added"))).any()


@pytest.mark.parametrize(
    "path",
    [
        "/etc/cron.json",
        "../escape.json",
        "a/../../escape.json",
        "a/./b.json",
        "a//b.json",
        "a\\b.json",
        "",
        ".",
        "a/b/c/d/e.json",
        "x" * 300 + ".json",
        "é" * 150 + ".json",
        "nul\0.json",
        "pytorch_model.bin",
        "weights.pkl",
        "weights.pt",
        "weights.ckpt",
        "modeling.py",
        "run.sh",
        "json",
        "MODEL.ONNX",
    ],
)
async def test_paths_and_files_that_are_not_allowed_are_refused_and_nothing_is_left(server, path):
    error = await refused(add(server, [spec(), chunk("config.json"), chunk(path)]))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert repr(path) in error.details()
    assert not leftovers(server)
    assert not (server.data_dir.parent / "escape.json").exists()


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [chunk("config.json")],
        [spec(), spec()],
        [spec("Not A Name")],
        [spec(), chunk("a.json"), chunk("b.json"), chunk("a.json")],
        [spec(), chunk("a.json"), chunk("a.json/b.json")],
        [spec(), chunk("a.json"), chunk("a.json/b/c.json")],
        [spec(total_bytes=3), chunk("a.json", b"1234")],
        [spec(), *(chunk(f"{number}.json") for number in range(257))],
        [spec(), chunk("config.json")],
        [spec(hub_id="no-slash")],
    ],
    ids=[
        "nothing",
        "no description",
        "two descriptions",
        "bad name",
        "a file comes back",
        "a file is a folder too",
        "a file is a folder's folder too",
        "more than announced",
        "too many files",
        "no encoder",
        "bad hub id",
    ],
)
async def test_uploads_that_make_no_sense_are_refused_and_nothing_is_left(server, requests, request):
    error = await refused(add(server, requests))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert ("holds no encoder" in error.details()) == request.node.name.endswith("[no encoder]")
    assert not leftovers(server)


async def test_a_taken_name_is_refused_before_anything_is_stored(server):
    error = await refused(add(server, [spec("tiny")]))
    assert error.code() == grpc.StatusCode.ALREADY_EXISTS


async def test_an_upload_above_the_limit_is_refused_announced_or_not(data_dir):
    async with open_server(data_dir, max_upload_bytes=20_000) as server:
        announced = [spec(total_bytes=30_000)]
        unannounced = [spec(), chunk("model.safetensors", bytes(10_000)), chunk("model.safetensors", bytes(10_001))]
        for requests in (announced, unannounced):
            error = await refused(add(server, requests))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "max_upload_bytes" in error.details()
        assert not leftovers(server)


async def test_the_description_is_accepted_before_files_are_sent(server, tmp_path):
    """A client that waits for this learns of a refusal before it has sent gigabytes."""
    requests = upload(tiny_bert(tmp_path / "checkpoint"))
    call = server.calls.AddEncoder()
    await call.write(requests[0])
    assert (await call.read()).state == State.STATE_RECEIVING
    for request in requests[1:]:
        await call.write(request)
    await call.done_writing()
    progress = None
    while (following := await call.read()) is not grpc.aio.EOF:
        progress = following
    assert progress.state == State.STATE_READY


async def test_an_upload_the_disk_has_no_room_for_is_refused(server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 90, 10))
    error = await refused(add(server, [spec(total_bytes=6)]))
    assert (error.code(), detail(error).reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")
    assert not detail(error).HasField("retry_after")


async def test_a_disk_that_fills_up_on_the_way_is_told_and_nothing_is_left(server, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads.Upload, "_begin", full)
    error = await refused(add(server, [spec(), chunk("config.json")]))
    assert detail(error).reason == "STORAGE_FULL"
    assert not leftovers(server)


async def test_a_checkpoint_that_cannot_be_built_leaves_nothing(server, tmp_path):
    folder = tiny_bert(tmp_path / "checkpoint")
    (folder / "model.safetensors").write_bytes(b"not safetensors")
    error = await refused(add(server, upload(folder)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not leftovers(server)


async def test_an_upload_that_is_broken_off_leaves_nothing(server):
    async def requests():
        yield spec()
        yield chunk("config.json")
        await asyncio.sleep(60)

    call = server.calls.AddEncoder(requests())
    waiting = asyncio.create_task(call.read())
    incoming = server.data_dir / "incoming"
    async with asyncio.timeout(10):
        while not list(incoming.rglob("config.json")):
            await asyncio.sleep(0.01)
        call.cancel()
        while list(incoming.iterdir()):
            await asyncio.sleep(0.01)
    waiting.cancel()


async def test_what_a_killed_server_left_of_an_upload_is_removed(data_dir):
    (data_dir / "incoming" / "old").mkdir(parents=True)
    async with open_server(data_dir) as server:
        assert not leftovers(server)


async def test_an_encoder_comes_from_the_hub(server, tmp_path, monkeypatch):
    checkpoint = tiny_bert(tmp_path / "checkpoint")

    def fetch(hub_id, into, *, accept):
        assert hub_id == "org/name@main"
        return shutil.copytree(checkpoint, into, dirs_exist_ok=True)

    monkeypatch.setattr(hub, "fetch", fetch)
    progress = await add(server, [spec(hub_id="org/name@main")])
    assert progress[-1].state == State.STATE_READY
    assert progress[-1].encoder.source == "org/name@main"


async def test_what_the_hub_announces_or_sends_above_the_limit_is_refused_and_nothing_is_left(data_dir, monkeypatch):
    def announce(hub_id, into, *, accept):
        accept(2001)

    def send(hub_id, into, *, accept):
        accept(1)
        (into / "config.json").write_bytes(bytes(2001))

    async with open_server(data_dir, max_upload_bytes=2000) as server:
        for fetch in (announce, send):
            monkeypatch.setattr(hub, "fetch", fetch)
            error = await refused(add(server, [spec(hub_id="org/name")]))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "2001" in error.details()
            assert "max_upload_bytes" in error.details()
        assert not leftovers(server)


async def test_what_the_hub_announces_must_fit_on_the_disk(server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 90, 10))
    monkeypatch.setattr(hub, "fetch", lambda hub_id, into, *, accept: accept(6))
    error = await refused(add(server, [spec(hub_id="org/name")]))
    assert detail(error).reason == "STORAGE_FULL"


async def test_the_folder_of_a_cancelled_download_stays_until_its_thread_has_ended(server, monkeypatch):
    begun, go_on, found = threading.Event(), threading.Event(), []

    def fetch(hub_id, into, *, accept):
        begun.set()
        go_on.wait(10)
        found.append(into.is_dir())

    monkeypatch.setattr(hub, "fetch", fetch)
    call = server.calls.AddEncoder(iter([spec(hub_id="org/name")]))
    await call.read()
    assert await asyncio.to_thread(begun.wait, 10)
    call.cancel()
    await asyncio.sleep(0.1)
    go_on.set()
    async with asyncio.timeout(10):
        while not found or list((server.data_dir / "incoming").iterdir()):
            await asyncio.sleep(0.01)
    assert found == [True]


async def test_without_a_token_calls_through_a_proxy_are_not_of_an_administrator(server):
    name = e.VerifyEncoderRequest(name="encoders/tiny")
    for header in ("x-forwarded-for", "forwarded"):
        error = await refused(server.calls.VerifyEncoder(name, metadata=((header, "10.0.0.1"),)))
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    await server.calls.VerifyEncoder(name)


async def test_an_encoder_that_is_deleted_meanwhile_is_left_out_of_the_list(server, monkeypatch):
    size_bytes = Registry.size_bytes

    def deleted(registry, name):
        if name == "tiny":
            raise NotFound("deleted")
        return size_bytes(registry, name)

    monkeypatch.setattr(Registry, "size_bytes", deleted)
    listed = await server.calls.ListEncoders(e.ListEncodersRequest())
    assert [each.name for each in listed.encoders] == ["encoders/tiny-image"]


async def test_a_hub_that_cannot_be_reached_is_told_and_not_retried(server, monkeypatch):
    def fetch(hub_id, into, *, accept):
        raise SourceUnreachable("no network")

    monkeypatch.setattr(hub, "fetch", fetch)
    error = await refused(add(server, [spec(hub_id="org/name")]))
    assert (error.code(), detail(error).reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SOURCE_UNREACHABLE")
    assert not leftovers(server)


async def test_with_a_token_administration_needs_it_and_everything_else_does_not(data_dir):
    name = e.VerifyEncoderRequest(name="encoders/tiny")
    async with open_server(data_dir, admin_token="secret") as server:
        delete = server.calls.DeleteEncoder, e.DeleteEncoderRequest(name="encoders/tiny")
        for method, request in (delete, (server.calls.VerifyEncoder, name)):
            for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", "secret"),)):
                error = await refused(method(request, metadata=metadata))
                assert error.code() == grpc.StatusCode.PERMISSION_DENIED
        error = await refused(add(server, [spec()]))
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED
        verified = await server.calls.VerifyEncoder(name, metadata=(("authorization", "Bearer secret"),))
        assert verified.checks
        assert all(check.passed for check in verified.checks)
        await server.calls.CreateCollection(create_request(dimensions=3))
        await server.calls.Embed(embed_request("x"))


async def test_encoders_are_listed_page_by_page(server):
    first = await server.calls.ListEncoders(e.ListEncodersRequest(page_size=1))
    assert [each.name for each in first.encoders] == ["encoders/tiny"]
    second = await server.calls.ListEncoders(e.ListEncodersRequest(page_size=1, page_token=first.next_page_token))
    assert [each.name for each in second.encoders] == ["encoders/tiny-image"]
    assert not second.next_page_token
    for wrong in (-1, 1001):
        error = await refused(server.calls.ListEncoders(e.ListEncodersRequest(page_size=wrong)))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_steps_of_an_installation_are_all_known(tmp_path):
    steps: list[str] = []
    registry = Registry(tmp_path / "encoders")
    registry.install("tiny", tiny_bert(tmp_path / "checkpoint"), report=steps.append)
    registry.close()
    assert set(steps) == set(additions._STATES)


def test_the_size_of_an_encoder_whose_files_go_meanwhile_is_not_found(installed, tmp_path):
    registry = Registry(shutil.copytree(installed, tmp_path / "data") / "encoders")
    shutil.rmtree(tmp_path / "data" / "encoders" / "tiny")
    with pytest.raises(NotFound):
        registry.size_bytes("tiny")
    registry.close()
