import shutil
from pathlib import Path

import pytest

from frostline.server.encoders.registry import Registry
from in_process import open_server
from tiny import tiny_bert, tiny_image


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """A data folder with the encoders `tiny` (texts) and `tiny-image`."""
    sources, data = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("installed")
    registry = Registry(data / "encoders")
    prompts = {"query": "query: ", "clustering": "cluster: "}
    registry.install("tiny", tiny_bert(sources / "bert", prompts=prompts))
    registry.install("tiny-image", tiny_image(sources / "image"))
    registry.close()
    return data


@pytest.fixture
def data_dir(installed, tmp_path) -> Path:
    return Path(shutil.copytree(installed, tmp_path / "data"))


@pytest.fixture
async def server(data_dir):
    async with open_server(data_dir) as running:
        yield running
