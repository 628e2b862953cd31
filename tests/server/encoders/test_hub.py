"""The real client of the hub, in a process of its own (it reads its environment once), against a stand-in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from frostline.server.encoders.registry import Registry
from hub_stand_in import COMMIT, REPOSITORY, Hub, running_hub
from tiny import tiny_bert

FETCH = """
import json, sys
from pathlib import Path
from frostline.server.encoders.sources import hub
for hub_id in sys.argv[2:]:
    try:
        print(json.dumps(["", str(hub.fetch(hub_id, Path(sys.argv[1])))]))
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.fixture
def repository(tmp_path):
    folder = tiny_bert(tmp_path / "repository")
    for name in ("pytorch_model.bin", "model.ckpt", "tf_model.h5", "onnx/model.onnx", "train_script.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not needed")
    return folder


@pytest.fixture
def hub(repository):
    with running_hub(repository) as running:
        yield running


def fetch(hub_id: str, into: Path, endpoint: str, **environment: str) -> tuple[str, str]:
    """Kind of error, or nothing, and its message or the folder."""
    return fetch_all([hub_id], into, endpoint, **environment)[0]


def fetch_all(hub_ids: list[str], into: Path, endpoint: str, **environment: str) -> list[tuple[str, str]]:
    into.mkdir(exist_ok=True)
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(into.parent / "home"), **environment}
    command = [sys.executable, "-c", FETCH, str(into), *hub_ids]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [(kind, message) for kind, message in map(json.loads, done.stdout.splitlines()[-len(hub_ids) :])]


def test_only_the_files_an_encoder_needs_are_downloaded_and_it_installs(hub: Hub, tmp_path):
    assert fetch(REPOSITORY, tmp_path / "into", hub.endpoint) == ("", str(tmp_path / "into"))
    assert set(hub.asked) == {
        "1_Pooling/config.json",
        "README.md",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
    }
    registry = Registry(tmp_path / "data")
    registry.install("tiny", tmp_path / "into")
    assert registry.names() == ["tiny"]


@pytest.mark.parametrize("revision", ["v1", COMMIT])
def test_a_revision_can_be_named(hub: Hub, tmp_path, revision):
    assert fetch(f"{REPOSITORY}@{revision}", tmp_path / "into", hub.endpoint)[0] == ""
    assert (tmp_path / "into" / "model.safetensors").exists()


def test_ids_that_lead_nowhere_are_refused(hub: Hub, tmp_path):
    expected = {
        "org/missing": ("NotFound", "there is no org/missing on the hub"),
        "org/gated": ("NotFound", "HF_TOKEN"),
        f"{REPOSITORY}@v9": ("NotFound", "has no revision 'v9'"),
        "tiny": ("InvalidInput", "write org/name"),
        "org/tiny/model": ("InvalidInput", "write org/name"),
        "org/..": ("InvalidInput", "org/.."),
        "": ("InvalidInput", "write org/name"),
    }
    found = fetch_all(list(expected), tmp_path / "into", hub.endpoint)
    for (hub_id, (kind, said)), (found_kind, message) in zip(expected.items(), found, strict=True):
        assert (found_kind, said in message) == (kind, True), f"{hub_id}: {message}"
    assert hub.asked == []


def test_a_hub_that_does_not_answer_is_unreachable(tmp_path):
    kind, message = fetch(REPOSITORY, tmp_path / "into", "http://127.0.0.1:9")
    assert kind == "SourceUnreachable"
    assert "Connection refused" in message
    assert "send the files from a folder" in message


def test_offline_mode_is_said(hub: Hub, tmp_path):
    kind, message = fetch(REPOSITORY, tmp_path / "into", hub.endpoint, HF_HUB_OFFLINE="1")
    assert (kind, "HF_HUB_OFFLINE" in message) == ("SourceUnreachable", True), message


@pytest.mark.full  # the client tries five times, with pauses
def test_a_download_that_breaks_off_is_unreachable(hub: Hub, tmp_path):
    hub.failing = "model.safetensors"
    assert fetch(REPOSITORY, tmp_path / "into", hub.endpoint)[0] == "SourceUnreachable"


ACCEPT = """
import sys
from pathlib import Path
from frostline.server.encoders.sources import hub
from frostline.server.errors import InvalidInput

def accept(size_bytes):
    print(size_bytes)
    raise InvalidInput("too large")

try:
    hub.fetch(sys.argv[1], Path(sys.argv[2]), accept=accept)
except InvalidInput as error:
    print(error)
"""


def test_what_the_hub_announces_may_be_refused_before_any_file_comes(repository, hub, tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", ACCEPT, REPOSITORY, str(into)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    unneeded = {"pytorch_model.bin", "model.ckpt", "tf_model.h5", "onnx/model.onnx", "train_script.py"}
    files = [path for path in repository.rglob("*") if path.is_file()]
    needed = [path for path in files if str(path.relative_to(repository)) not in unneeded]
    announced, message = done.stdout.splitlines()
    assert message == "too large"
    assert not hub.asked
    assert 0 < int(announced) <= sum(path.stat().st_size for path in needed)
    assert int(announced) >= (repository / "model.safetensors").stat().st_size
