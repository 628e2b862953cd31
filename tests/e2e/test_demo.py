import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from frostline.cli.demo import QUERIES

pytestmark = pytest.mark.full

DEMO = (sys.executable, "-m", "frostline.cli", "demo")


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def start(temporary):
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_demo_shows_throughput_results_scores_and_timings(temporary):
    process = start(temporary)
    told, complaints = process.communicate(timeout=1200)
    assert (process.returncode, complaints) == (0, "")
    lines = told.splitlines()
    assert re.search(r"^Indexed +[5-9],\d{3} documents in .*: [\d,]+ a second$", told, re.MULTILINE)
    for query in QUERIES:
        at = next(number for number, line in enumerate(lines) if line.startswith(query))
        assert re.search(r"\d ms$", lines[at])
        scores = [float(line.split()[0]) for line in lines[at + 1 : at + 6]]
        assert scores == sorted(scores, reverse=True)
        assert not lines[at + 6]
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in told
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_nothing_behind(temporary, number, code):
    process = start(temporary)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Documents"):
            break
    announced = next(temporary.glob("*/data/server.json"))
    pid = json.loads(announced.read_text())["pid"]
    time.sleep(1)
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (code, "")
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
