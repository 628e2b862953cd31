import pytest

from frostline.server.collections.catalogue import Catalogue


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path / "collections", snapshots=tmp_path / "snapshots")
    yield catalogue
    catalogue.close()
