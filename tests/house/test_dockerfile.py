"""No Docker engine is needed: the CPU target's instructions run in a folder that stands for its file system."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trees import ROOT, clean_environment, copy_project, free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text()
KNOWN = {"FROM", "RUN", "ENV", "COPY", "WORKDIR", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}
START_SECONDS = 60.0


def stages() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Maps each stage to what it is built on and its instructions."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for line in DOCKERFILE.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        assert instruction in KNOWN, f"this test does not know {instruction}"
        if instruction == "FROM":
            below, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
            found[name] = (below, [])
        else:
            found[name][1].append((instruction, rest))
    return found


def instructions(target: str) -> list[tuple[str, str]]:
    """A stage's instructions and those of the stages it is built on, in order."""
    below, own = stages()[target]
    return (instructions(below) if below in stages() else []) + own


def pip_installs(text: str) -> list[str]:
    """Install commands in it, without the path of pip; an editable install counts as a plain one."""
    return [command.replace("-e ", "") for command in re.findall(r"pip (install .+)", text)]


class Image:
    """A folder that stands for the file system of an image."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.environment = {"PATH": f"{folder}/usr/local/bin:/usr/bin:/bin"}
        self.directory = folder
        self.health = self.command = ()

    def build(self, target: str) -> None:
        for instruction, rest in instructions(target):
            getattr(self, f"_{instruction.lower()}")(self._here(rest))

    def _here(self, text: str) -> str:
        # The image's own folders, and a port that may be taken on this machine.
        text = re.sub(r"(?<![\w.])/(?=(src|opt|data)\b)", f"{self.folder}/", text)
        return text.replace("50051", str(self.port))

    def _env(self, rest: str) -> None:
        for name, value in (pair.split("=", 1) for pair in rest.split()):
            self.environment[name] = value.replace("$PATH", self.environment["PATH"])

    def _workdir(self, rest: str) -> None:
        self.directory = Path(rest)
        self.directory.mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        if rest.startswith("--from="):
            stage, source, into = rest.removeprefix("--from=").split()
            assert source == into, "here a path is the same in all stages"
            environment, directory = self.environment.copy(), self.directory
            self.build(stage)
            self.environment, self.directory = environment, directory
            return
        *sources, into = rest.split()
        for source in sources:
            path = self.folder / "context" / source
            if path.is_dir():
                shutil.copytree(path, self.directory / into)
            else:
                shutil.copy(path, self.directory / into)

    def _run(self, rest: str) -> None:
        result = subprocess.run(["sh", "-c", rest], **self.process(), capture_output=True, text=True)
        assert result.returncode == 0, f"{rest}\n{result.stdout}{result.stderr}"

    def _healthcheck(self, rest: str) -> None:
        self.health = json.loads(rest.partition("CMD ")[2])

    def _cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _volume(self, rest: str) -> None:
        assert Path(rest).is_dir(), "a volume that no instruction made belongs to root"

    def _user(self, rest: str) -> None:
        assert rest.split(":")[0] not in ("0", "root")

    def _expose(self, rest: str) -> None:
        assert rest == str(self.port)

    def process(self) -> dict[str, object]:
        """How a process of this image is started."""
        outer = {name: value for name, value in clean_environment().items() if name.startswith(("PIP_", "SSL_"))}
        return {"cwd": self.directory, "env": outer | self.environment}


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Image]:
    copy_project(tmp_path / "context")
    python = tmp_path / "usr" / "local" / "bin" / "python"
    python.parent.mkdir(parents=True)
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    python.write_text(f'#!/bin/sh\nexec {base} "$@"\n')
    python.chmod(0o755)
    return Image(tmp_path, free_port())


def test_the_install_commands_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    makefile = makefile.replace("$(WEIGHTS)", re.search(r"WEIGHTS := (\S+)", makefile)[1])
    runtime = pip_installs(makefile.partition("$(RUNTIME):")[2].partition("\n\n")[0])
    assert len(runtime) == 2
    for target, extra in (("build-cpu", "server"), ("build-gpu", "gpu")):
        run = "\n".join(rest for instruction, rest in instructions(target) if instruction == "RUN")
        assert pip_installs(run) == [command.replace("[server,", f"[{extra},") for command in runtime]


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_target_runs_as_an_ordinary_user_with_a_health_check_and_a_volume(target):
    given = dict(instructions(target))
    assert given["USER"].split(":")[0] not in ("0", "root")
    assert "frostline.server.healthcheck" in given["HEALTHCHECK"]
    assert given["VOLUME"] == "/data"
    assert json.loads(given["CMD"]) == ["frostline", "serve"]
    assert ("COPY", f"--from=build-{target} /opt/frostline /opt/frostline") in instructions(target)


def test_a_build_without_a_target_makes_the_cpu_server():
    assert list(stages())[-1] == "cpu"


def test_all_that_is_copied_reaches_the_engine_and_nothing_else_does():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source for instruction, rest in instructions("source") if instruction == "COPY" for source in rest.split()[:-1]
    }
    assert copied == allowed


@pytest.mark.full
def test_the_cpu_target_builds_in_an_empty_environment_and_serves(image):
    image.build("cpu")
    log = (image.folder / "log").open("w+")
    server = subprocess.Popen(image.command, **image.process(), stdout=log, stderr=subprocess.STDOUT)
    try:
        give_up = time.monotonic() + START_SECONDS
        while (health := subprocess.run(image.health, **image.process(), capture_output=True, text=True)).returncode:
            log.seek(0)
            assert server.poll() is None, log.read()
            assert time.monotonic() < give_up, health.stderr
        listed = subprocess.run(
            ["frostline", "encoders", "list", "--target", f"localhost:{image.port}", "--json"],
            **image.process(),
            capture_output=True,
            text=True,
        )
        assert "all-minilm-l6-v2" in listed.stdout, listed.stderr
    finally:
        server.terminate()
        assert server.wait(60) == 0
    assert subprocess.run(image.health, **image.process(), capture_output=True).returncode == 1
