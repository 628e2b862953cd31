"""What the README tells a newcomer to type works as it stands, on a fresh clone."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from trees import ROOT, clean_environment, copy_project, free_port, succeed

pytestmark = pytest.mark.full

README = (ROOT / "README.md").read_text()
START_SECONDS = 600.0  # installs first
STAYS = {"make serve"}
# What these do, tests of their own show.
SHOWN_ELSEWHERE = ("docker ", "pip install ", "make test", "make check", "make bench", "make soak", "git clone ", "cd ")


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The README's shell commands, in order, without their comments."""
    lines = [
        line.partition(" #")[0].strip() for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A fresh clone whose server takes a port that is free on this machine, and that port."""
    tree, port = copy_project(tmp_path_factory.mktemp("readme") / "frostline"), free_port()
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("50051", str(port)))
    return tree, port


@pytest.fixture(scope="module")
def served(clone):
    """Runs `make serve` while the tests run; yields the clone, its port and the server's process."""
    tree, port = clone
    log = (tree.parent / "serve.log").open("w+")
    server = subprocess.Popen(
        ["make", "serve"], cwd=tree, env=clean_environment(), stdout=log, stderr=log, start_new_session=True
    )
    give_up = time.monotonic() + START_SECONDS
    while not (tree / "frostline-data" / "server.json").exists():
        waiting = server.poll() is None and time.monotonic() < give_up
        assert waiting, (tree.parent / "serve.log").read_text()
        time.sleep(0.2)
    yield tree, port, server
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def test_make_demo_works_on_a_fresh_clone(clone):
    tree, _ = clone
    shown = succeed(["make", "demo"], tree)
    assert "subprocess" in shown
    assert not (tree / "frostline-data").exists()


def test_make_help_lists_every_target(clone):
    listed = succeed(["make"], clone[0])
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert [line.split()[1] for line in listed.splitlines()] == targets


@pytest.mark.parametrize("example", blocks("python"))
def test_a_python_example_runs_as_it_stands(served, example):
    tree, port, _ = served
    succeed([tree / ".venv" / "bin" / "python", "-c", example.replace("50051", str(port))], tree)


def test_every_shell_command_runs_or_is_shown_elsewhere(served):
    tree, port, server = served
    path = f"{tree}/.venv/bin:{os.environ['PATH']}"
    for command in commands():
        if command in STAYS or command == "make demo" or command.startswith(SHOWN_ELSEWHERE):
            continue
        target = f"localhost:{port}"
        succeed(["sh", "-ec", command], tree, PATH=path, FROSTLINE_TARGET=target)
    assert server.poll() is None


def test_the_server_of_make_serve_names_itself_while_it_runs(served):
    tree, port, _ = served
    assert json.loads((tree / "frostline-data" / "server.json").read_text())["target"].endswith(f":{port}")
