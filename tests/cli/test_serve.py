import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from frostline.cli.app import app
from frostline.client import Client
from serving import start_server

SERVE = ("-m", "frostline.cli", "serve")


def serve(*arguments, cwd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FROSTLINE_")}
    return subprocess.run(
        [sys.executable, *SERVE, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, timeout=60
    )


def test_serve_serves_until_interrupted_and_keeps_its_folder_to_itself(tmp_path):
    server = start_server(tmp_path / "data", command=SERVE, encoders=[])
    try:
        with Client(server.target) as client:
            assert client.list_encoders() == []
        second = serve("--port", "0", "--data-dir", str(tmp_path / "data"), cwd=tmp_path)
        assert second.returncode == 1
        assert second.stderr.startswith("error: ")
        assert str(server.pid) in second.stderr
        assert second.stderr.count("\n") == 1
    finally:
        server.signal(signal.SIGINT)
        code = server.process.wait(30)
    assert code == 0
    assert "Traceback" not in server.log()
    assert not (tmp_path / "data" / "server.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--config", "nowhere.toml"], 1, "error: settings file nowhere.toml does not exist\n"),
        (["--device", "tpu"], 1, "error: setting device 'tpu' is wrong"),
        (["--max-batch-tokens", "0"], 1, "error: setting max_batch_tokens '0' is wrong"),
        (["--nonsense", "1"], 2, "unrecognized arguments: --nonsense 1"),
        (["--port", "x"], 2, "--port"),
    ],
)
def test_wrong_settings_are_named(arguments, code, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FROSTLINE_")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_options_that_are_not_given_leave_the_file_alone(tmp_path):
    (tmp_path / "frostline.toml").write_text('host = "localhost"\nport = 1\nencoders = []\n')
    server = start_server(tmp_path, command=SERVE)
    try:
        assert server.target.startswith("localhost:")
        assert server.target != "localhost:1"
        with Client(server.target) as client:
            assert client.list_encoders() == []
    finally:
        assert server.stop() == 0
