"""Too many open files: for the operator to mend, and no damage."""

import contextlib
import os
import resource
import threading

import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.rows import database
from frostline.server.collections.rows.operations import Write
from frostline.server.errors import Overloaded


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


def filled(catalogue, name):
    collection = catalogue.create(config(name))
    collection.upsert([Write(record(name)) for name in "012"]).result(10)
    return collection


@pytest.fixture
def open_files():
    """Sets how many more files this process may open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(more):
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, before[1]))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def read_side_by_side(readers, count):
    with contextlib.ExitStack() as held:
        for _ in range(count):
            held.enter_context(readers.connection())


@pytest.mark.parametrize("more", [0, 1])
def test_too_many_open_files_are_no_damage(catalogue, open_files, more):
    notes = filled(catalogue, "notes")
    open_files(more)
    with pytest.raises(Overloaded, match="ulimit -n"):
        read_side_by_side(notes._readers, 20)
    with pytest.raises(Overloaded, match="ulimit -n"):
        catalogue.create(config("more"))
    with pytest.raises(Overloaded, match="ulimit -n"):
        catalogue.set_alias("current", "notes")
    with pytest.raises(Overloaded, match="ulimit -n"):
        catalogue.create_snapshot("notes")
    open_files(100)
    assert catalogue.aliases() == {}
    assert catalogue.snapshots() == []
    assert list(notes.get(["0"])) == ["0"]
    assert catalogue.create(config("more")).count() == 0


def test_a_start_with_too_few_files_says_so_instead_of_leaving_collections_out(tmp_path):
    def starved(folder, name):
        if name == "notes":
            raise Overloaded("raise the limit (ulimit -n)", 1)
        return Collection(folder, name)

    catalogue = Catalogue(tmp_path)
    filled(catalogue, "earlier")
    filled(catalogue, "notes")
    catalogue.close()
    with pytest.raises(Overloaded, match="ulimit"):
        Catalogue(tmp_path, open_collection=starved)
    assert "writer-earlier" not in [each.name for each in threading.enumerate()]
    again = Catalogue(tmp_path)
    assert again.get("notes").count() == 3
    again.close()


def test_a_start_raises_the_limit_of_open_files(tmp_path, open_files):
    open_files(50)
    Catalogue(tmp_path).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard


def test_few_connections_are_kept_when_many_have_read(catalogue):
    notes = filled(catalogue, "notes")
    barrier = threading.Barrier(12)

    def read():
        with notes._readers.connection():
            barrier.wait(10)

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notes._readers._idle) == database.IDLE_READERS
    assert list(notes.get(["0"])) == ["0"]
