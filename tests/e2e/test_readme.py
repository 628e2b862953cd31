import re
import subprocess
import sys
from pathlib import Path

from frostline.client import Client

README = Path(__file__).resolve().parents[2] / "README.md"


def first_example() -> str:
    found = re.search(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{README} has no python example"
    return found[1]


def test_the_first_example_runs_word_for_word(served):
    example = first_example()
    assert example.count("localhost:50051") == 1
    code = example.replace("localhost:50051", served.target) + "\nprint(vectors.shape, vectors.dtype)\n"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    hit, shape = done.stdout.splitlines()
    assert re.fullmatch(r"1 0\.\d+ \{'lang': 'en'\}", hit)
    assert shape == "(2, 384) float32"
    with Client(served.target) as client:
        assert client.count("notes") == 1
