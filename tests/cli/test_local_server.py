import os
import signal
import sys
import time
from pathlib import Path

import pytest

from frostline.cli import local_server as module
from frostline.cli.failure import CommandFailed
from frostline.cli.local_server import local_server

SERVES = """
mkdir -p "$7"
echo $$ > "$7/pid"
echo '{"pid": 1, "target": "localhost:1"}' > "$7/unfinished"
mv "$7/unfinished" "$7/server.json"
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Lets a shell script stand for the server; returns where temporary folders are made."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def write(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))
        return temporary

    return write


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(server):
    return int(Path(server.folder, "data", "pid").read_text())


def test_the_server_and_its_folder_are_gone_afterwards(stand_in):
    temporary = stand_in(SERVES + "exec sleep 60")
    with local_server() as server:
        pid = pid_of(server)
        assert server.target == "localhost:1"
        assert is_running(pid)
    assert not is_running(pid)
    assert list(temporary.iterdir()) == []


def test_a_server_that_ignores_its_end_is_killed(stand_in, monkeypatch):
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.3)
    stand_in("trap '' TERM\n" + SERVES + "while :; do sleep 0.05; done")
    with local_server() as server:
        pid = pid_of(server)
    assert not is_running(pid)


def test_a_server_that_does_not_start_shows_its_log(stand_in, capsys):
    temporary = stand_in("echo no room left\nexit 3")
    with pytest.raises(CommandFailed, match="exit code 3"), local_server():
        pytest.fail("the block ran without a server")
    assert capsys.readouterr().err == "server: no room left\n"
    assert list(temporary.iterdir()) == []


def test_a_server_that_never_answers_is_given_up_and_shows_its_log(stand_in, capsys, monkeypatch):
    monkeypatch.setattr(module, "_START_SECONDS", 1.0)
    temporary = stand_in("echo still loading\nexec sleep 20")
    with pytest.raises(CommandFailed, match="did not answer within 1 s"), local_server():
        pytest.fail("the block ran without a server")
    assert capsys.readouterr().err == "server: still loading\n"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_server_too(stand_in, number):
    temporary = stand_in(SERVES + "exec sleep 60")
    before = signal.getsignal(number)
    pids = []

    def be_ended():
        with local_server() as server:
            pids.append(pid_of(server))
            os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as ended:
        be_ended()
    assert ended.value.code == 128 + number
    assert not is_running(*pids)
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(number) is before


def test_the_server_gets_no_settings_of_the_user(stand_in, monkeypatch):
    monkeypatch.setenv("FROSTLINE_PORT", "1")
    stand_in(SERVES + 'env > "$7/env"; pwd > "$7/pwd"\nexec sleep 60')
    with local_server() as server:
        told = Path(server.folder, "data", "pwd")
        for _ in range(1000):
            if told.exists() and told.read_text():
                break
            time.sleep(0.01)
        assert Path(told.read_text().strip()) == server.folder.resolve()
        assert "FROSTLINE_" not in (server.folder / "data" / "env").read_text()
