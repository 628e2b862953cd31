import re
import subprocess
import tomllib
from pathlib import Path

from trees import ROOMS, ROOT, project_files

GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
FORBIDDEN_WORDS = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc"}
ENVIRONMENTS = (".venv", ".venv-proto", ".venv-torch")

SHIPPED = [path for path in project_files(*ROOMS) if path.suffix == ".py" and not GENERATED.search(path.name)]
WRITTEN = SHIPPED + [path for path in project_files("tests", "benchmarks") if path.suffix == ".py"]


def test_the_namespace_has_no_init_file():
    # One would hide the other folders' share of the namespace.
    assert [
        str(path) for path in project_files() if path.parent.name == "frostline" and path.name == "__init__.py"
    ] == []


def test_every_room_is_a_typed_package():
    rooms = {ROOT.joinpath(*path.parts[:3]) for path in SHIPPED if len(path.parts) > 3}
    assert len(rooms) >= 6
    assert [str(room) for room in rooms if not (room / "py.typed").is_file()] == []


def test_every_shipped_folder_is_a_package():
    folders = {path.parent for path in SHIPPED} - {Path("proto")}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


def test_every_shipped_module_begins_by_saying_what_it_is():
    assert [str(path) for path in SHIPPED if not re.match('r?"""', (ROOT / path).read_text())] == []


def test_no_shipped_file_is_longer_than_300_lines():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in SHIPPED}
    assert {path: lines for path, lines in lengths.items() if lines > 300} == {}


def test_names_say_what_a_file_holds():
    vague = re.compile(rf"(^|[/_.])({'|'.join(sorted(FORBIDDEN_WORDS))})(?=[/_.]|$)")
    assert [str(path) for path in WRITTEN if vague.search(str(path))] == []


def test_nothing_names_a_package_index():
    # Where packages come from is the business of pip's own configuration.
    index = re.compile(r"--(extra-)?index-url|--find-links|--trusted-host|^-[if] ", re.MULTILINE)
    for name in ("Makefile", "Dockerfile", "constraints.txt", ".ci/run", "pyproject.toml"):
        assert not index.search((ROOT / name).read_text()), name


def test_what_running_leaves_behind_is_ignored():
    left = ["frostline-data/x", "dist/x", "build/x", *(f"{environment}/x" for environment in ENVIRONMENTS)]
    ignored = subprocess.run(["git", "check-ignore", *left], cwd=ROOT, capture_output=True, text=True)
    assert ignored.stdout.split() == left


def test_constraints_pin_every_direct_dependency_and_nothing_of_torch():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {normalized(name) for name in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in ("server", "serving", "indexer", "cli", "dev"):
        wanted += project["optional-dependencies"][extra]
    names = {normalized(re.split(r"[\[<>=~! ;]", requirement)[0]) for requirement in wanted} - {"frostline"}
    assert names <= pinned, f"not pinned: {sorted(names - pinned)}; run `make lock`"
    assert not pinned & {"torch", "sentence-transformers", "transformers", "onnxruntime-gpu", "faiss-gpu"}


def normalized(name):
    """The name by which an index knows a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
