from pathlib import Path

import pytest

from fake_calls import Code, fails
from frostline.client import AlreadyExists, Check, Client, InvalidInput, PermissionDenied
from frostline.client._upload import SENT
from frostline.server.api.uploads import SUFFIXES
from frostline.wire.reasons import Reason


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "model"
    for path, data in {
        "model.onnx": bytes(range(256)) * 10_000,
        "preprocess.json": b"{}",
        "1_Pooling/config.json": b"{}",
        "empty.txt": b"",
        "pytorch_model.bin": b"a pickle",
        "tf_model.h5": b"x",
        "modeling.py": b"x",
        "LICENSE": b"x",
        "sub/state.PKL": b"a pickle",
        ".git/config.json": b"{}",
        ".hidden.json": b"{}",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


SENT_PATHS = ["1_Pooling/config.json", "empty.txt", "model.onnx", "preprocess.json"]


def test_a_folder_is_sent_in_order_without_what_the_server_would_not_take(fake, client, folder):
    client.add_encoder("new", folder)
    assert sorted(fake.files) == SENT_PATHS
    for path in SENT_PATHS:
        assert fake.files[path] == (folder / path).read_bytes()
    messages = fake.of("AddEncoder")
    assert list(dict.fromkeys(message.chunk.path for message in messages[1:])) == SENT_PATHS
    assert messages[0].spec.total_bytes == 2_560_004
    assert max(message.ByteSize() for message in messages) < 2 * 1024 * 1024


def test_what_is_sent_is_what_the_server_takes():
    assert SENT == SUFFIXES


def test_progress_is_reported_and_the_encoder_returned(client, folder):
    seen = []
    encoder = client.add_encoder("new", str(folder), progress=lambda *report: seen.append(report))
    assert [state for state, _, _ in seen if state != "receiving"] == ["building", "verifying", "ready"]
    received = [received for _, received, _ in seen]
    assert received == sorted(received)
    assert seen[-1] == ("ready", 2_560_004, 2_560_004)
    assert encoder.name == "new"
    assert encoder.checks == (Check("golden", True, "largest difference 0"),)


async def test_the_async_client_sends_folders_too(fake, aclient, folder):
    assert (await aclient.add_encoder("new", folder)).name == "new"
    assert sorted(fake.files) == SENT_PATHS


def test_a_hub_repository_is_only_named(fake, client):
    client.add_encoder("new", hub="org/name@main")
    assert [message.spec.hub_id for message in fake.of("AddEncoder")] == ["org/name@main"]


def test_a_refusal_comes_through_while_files_are_sent(fake, client, folder):
    (folder / "large.onnx").write_bytes(bytes(20_000_000))
    with pytest.raises(AlreadyExists):
        client.add_encoder("tiny", folder)
    fake.faults["AddEncoder"].append(fails(Code.PERMISSION_DENIED, "no", Reason.PERMISSION_DENIED))
    with pytest.raises(PermissionDenied):
        client.add_encoder("new", folder)


def test_an_addition_is_not_tried_again(fake, client, folder):
    fake.faults["AddEncoder"].append(fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN))
    with pytest.raises(Exception, match="going away"):
        client.add_encoder("new", folder)
    assert len(fake.metadata) == 1


def test_a_file_that_cannot_be_read_is_named(fake, client, folder, monkeypatch):
    opened = Path.open

    def broken(self, *args, **kwargs):
        if self.name == "preprocess.json":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", broken)
    with pytest.raises(InvalidInput, match=r"preprocess\.json: Permission denied"):
        client.add_encoder("new", folder)
    assert "new" not in fake.encoders


def test_a_folder_that_holds_nothing_is_refused(client, tmp_path):
    with pytest.raises(InvalidInput, match="no file"):
        client.add_encoder("new", tmp_path)
    with pytest.raises(InvalidInput, match="is no folder"):
        client.add_encoder("new", tmp_path / "none")
    with pytest.raises(InvalidInput, match="either"):
        client.add_encoder("new", tmp_path, "org/name")


def test_encoders_read_as_plain_types(client):
    encoder = client.get_encoder("tiny")
    assert (encoder.name, encoder.modality, encoder.prompts) == ("tiny", "text", {"query": "query: "})
    assert [(layer.name, layer.dimensions) for layer in encoder.layers] == [("pooled", 4)]
    assert client.verify_encoder("tiny") == [Check("files", False, "a")]


def test_lists_go_through_all_pages(fake, client):
    for number in range(5):
        client.add_encoder(f"e{number}", hub="org/name")
        client.create_collection(f"c{number}", dimensions=4)
    assert [encoder.name for encoder in client.list_encoders()] == ["e0", "e1", "e2", "e3", "e4", "tiny"]
    assert [collection.name for collection in client.list_collections()] == ["c0", "c1", "c2", "c3", "c4"]


def test_the_token_travels_with_every_call(fake, folder):
    with Client(fake.target, token="secret") as client:
        client.list_encoders()
        client.add_encoder("new", folder)
        client.embed(["a", "b"], "tiny", batch_size=1)
    assert [metadata.get("authorization") for metadata in fake.metadata] == ["Bearer secret"] * 3
    with Client(fake.target) as client:
        client.list_encoders()
    assert "authorization" not in fake.metadata[-1]
