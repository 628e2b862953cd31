import functools

import pytest

from segments_made import ROWS, clustered, made


@pytest.fixture(scope="session")
def segment_folder(tmp_path_factory):
    """Folders of segments of `ROWS` clustered rows, by kind and metric; each is built once, and only read."""

    @functools.cache
    def get(kind, metric):
        folder = tmp_path_factory.mktemp("segment")
        made(folder, clustered(ROWS)[0], metric, kind)
        return folder

    return get
