import subprocess
import sys

HEAVY = (
    "PIL",
    "faiss",
    "frostline.cli",
    "frostline.indexer",
    "frostline.server",
    "onnx",
    "onnxruntime",
    "pyarrow",
    "pydantic",
    "rich",
    "scipy",
    "sklearn",
    "tokenizers",
    "torch",
    "typer",
)


def loaded_by(code: str) -> set[str]:
    show = f"{code}; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout.split())


def test_the_client_loads_nothing_heavy():
    loaded = loaded_by("from frostline.client import Client, AsyncClient")
    assert "grpc" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_look_at_loaded_modules_can_fail():
    assert "pydantic" in loaded_by("import pydantic")
