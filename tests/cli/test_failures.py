import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from frostline.client import Client
from frostline.client.errors import Internal

MAIN = "from frostline.cli import main; main()"


def run_python(code, *arguments, **options):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FROSTLINE_")}
    environment |= options.pop("environment", {})
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=60, **options
    )


@pytest.fixture
def broken(monkeypatch):
    """Makes listing encoders raise what the test says."""

    def set_error(error):
        def fail(self):
            raise error

        monkeypatch.setattr(Client, "list_encoders", fail)

    return set_error


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_typer_or_rich_the_command_names_the_extra(missing):
    result = run_python(f"import sys; sys.modules['{missing}'] = None; {MAIN}", "--version")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error: the frostline command needs typer and rich; run: pip install 'frostline[cli]'"
    ]


@pytest.mark.parametrize("missing", ["onnxruntime", "faiss", "pydantic_settings"])
def test_serve_names_the_extra_it_lacks(missing, tmp_path):
    code = f"import sys; sys.modules['{missing}'] = None; {MAIN}"
    result = run_python(code, "serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"error: frostline serve needs {missing}, which is not installed; run: pip install 'frostline[server]'"
    ]


def test_help_loads_no_heavy_room():
    commands = ["--help", "search --help", "encoders add --help", "serve --help", "demo --help"]
    heavy = ("numpy", "grpc", "frostline.client", "frostline.server", "frostline.indexer", "pyarrow", "onnxruntime")
    code = f"""
import sys
from frostline.cli import main
for command in {commands}:
    sys.argv = ["frostline", *command.split()]
    try:
        main()
    except SystemExit as end:
        print(command, end.code, [name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    assert run_python(code).stderr.splitlines() == [f"{command} 0 []" for command in commands]


def test_no_server_is_one_line(refusal):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert address in refusal("encoders", "list", "--target", address, "--timeout", "1")


def test_the_target_option_counts_before_the_environment(frostline, refusal, monkeypatch):
    assert frostline("encoders", "list").exit_code == 0
    assert "no host and port" in refusal("encoders", "list", "--target", "nonsense")
    monkeypatch.setenv("FROSTLINE_TARGET", "also-nonsense")
    assert "also-nonsense" in refusal("encoders", "list")


@pytest.mark.parametrize("by", ["options", "environment"])
def test_the_connection_is_made_as_asked_for(by, frostline, monkeypatch):
    made = {}

    def connect(target, **options):
        made.update(options, target=target)
        raise Internal("far enough")

    monkeypatch.setattr("frostline.client.Client", connect)
    given = {"target": "far:1", "token": "secret", "ca-certificate": "ca.pem", "tls": "1"}
    if by == "environment":
        for name, value in given.items():
            monkeypatch.setenv(f"FROSTLINE_{name.upper().replace('-', '_')}", value)
        arguments = []
    else:
        del given["tls"]
        arguments = ["--tls", *(text for name, value in given.items() for text in (f"--{name}", value))]
    frostline("encoders", "list", "--timeout", "7", *arguments)
    assert made == {
        "target": "far:1",
        "token": "secret",
        "tls": True,
        "ca_certificate": Path("ca.pem"),
        "timeout_seconds": 7.0,
    }


def test_an_unexpected_error_is_one_line_and_says_how_to_see_more(broken, refusal, frostline, monkeypatch):
    broken(ZeroDivisionError("first\nsecond"))
    assert refusal("encoders", "list") == (
        "unexpected ZeroDivisionError: first second; FROSTLINE_DEBUG=1 shows where it happened"
    )
    monkeypatch.setenv("FROSTLINE_DEBUG", "1")
    told = frostline("encoders", "list")
    assert told.exit_code == 1
    assert "Traceback" in told.stderr
    assert told.stderr.splitlines()[-1].startswith("error: unexpected ZeroDivisionError")


def test_an_error_of_the_server_keeps_its_log_id(broken, refusal):
    broken(Internal("the server failed", log_id="abc123"))
    assert "abc123" in refusal("encoders", "list")


def test_messages_cannot_move_the_cursor(broken, refusal):
    broken(Internal("bad \x1b[2J\x07name"))
    assert refusal("encoders", "list") == "bad [2J name"


def test_errors_leave_stdout_to_json(broken, frostline):
    broken(Internal("no"))
    assert frostline("encoders", "list", "--json").stdout == ""


def test_an_interrupt_is_quiet(broken, frostline):
    broken(KeyboardInterrupt())
    result = frostline("encoders", "list")
    assert result.exit_code == 130
    assert result.output == ""


def test_an_interrupt_of_a_waiting_call_is_quiet():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "frostline.cli", "encoders", "list", "--target", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:  # else it is closed at once, which is an answer
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_reader_that_left_is_no_news(target, arguments):
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-m", "frostline.cli", "encoders", "list", "--target", target, *arguments],
        env=buffered,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(30) == 1


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["nonsense"], ["encoders", "show"], ["search", "c", "q", "--limit", "0"]]
)
def test_wrong_usage_exits_2(frostline, arguments):
    result = frostline(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_version(frostline):
    result = frostline("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("frostline 0.")
