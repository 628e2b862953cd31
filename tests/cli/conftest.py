import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fake_server import fake_server
from frostline.cli.app import app
from frostline.client import Client, Record, VectorField
from serving import running_server
from tiny import tiny_bert, tiny_image

TEXTS = {
    "cat": "a red cat in the house",
    "dog": "a blue dog in the house",
    "key": "the key of a frozen file",
    "line": "it is a line of text",
}


@pytest.fixture(scope="session")
def encoder_folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    return {"text": tiny_bert(folder / "text"), "image": tiny_image(folder / "image")}


@pytest.fixture(scope="session")
def target(tmp_path_factory, encoder_folders):
    """A real server with the encoders `tiny` and `tiny-image` and the collection `animals`."""
    with running_server(tmp_path_factory.mktemp("data"), encoders=[]) as server, Client(server.target) as client:
        client.add_encoder("tiny", encoder_folders["text"])
        client.add_encoder("tiny-image", encoder_folders["image"])
        client.create_collection("animals", encoder="tiny", description="Pets and things")
        client.upsert("animals", [Record(id, text=text, payload={"text": text}) for id, text in TEXTS.items()])
        yield server.target


@pytest.fixture
def frostline_at(monkeypatch):
    """Runs commands against a server, in this process."""

    def at(target: str):
        monkeypatch.setenv("FROSTLINE_TARGET", target)
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.delenv("FROSTLINE_DEBUG", raising=False)

        def run(*arguments: str, input: str | None = None) -> Result:
            return CliRunner().invoke(app, list(arguments), input=input)

        return run

    return at


@pytest.fixture
def frostline(target, frostline_at):
    """Runs a command against the server in this process."""
    return frostline_at(target)


@pytest.fixture
def fake():
    """A fake server with the collections `notes`, which has records, and `products`, which has two vectors."""
    with fake_server() as server, Client(server.target) as client:
        client.create_collection("notes", encoder="tiny", fields={"n": "integer"}, description="Words")
        client.create_collection("products", vectors={"title": VectorField("tiny"), "photo": VectorField("tiny")})
        colors = ["red", "blue", "red", None, "red"]
        client.upsert(
            "notes",
            [Record(str(n), text=f"note {n}", payload={"n": n, "color": color}) for n, color in enumerate(colors)],
        )
        server.requests.clear()
        yield server


@pytest.fixture
def pretend(fake, frostline_at):
    """Runs a command against the fake server in this process."""
    return frostline_at(fake.target)


@pytest.fixture
def pretended(pretend):
    """Runs a command against the fake server, with --json, and returns what it printed."""

    def run(*arguments: str) -> Any:
        result = pretend(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return run


@pytest.fixture
def answer(frostline):
    """Runs a command that succeeds, with --json, and returns what it printed."""

    def run(*arguments: str, input: str | None = None) -> Any:
        result = frostline(*arguments, "--json", input=input)
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return run


@pytest.fixture
def refusal(frostline):
    """Runs a command that fails, and returns its one line on stderr without `error: `."""

    def run(*arguments: str, code: int = 1, input: str | None = None) -> str:
        result = frostline(*arguments, input=input)
        assert result.exit_code == code, result.output
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert result.stderr.endswith("\n")
        return result.stderr.removeprefix("error: ").strip()

    return run
