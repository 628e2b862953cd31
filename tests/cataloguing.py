"""What several tests of the catalogue need."""

from collecting import config, record
from frostline.server.collections.rows.operations import Write


def filled(catalogue, name, count=3):
    collection = catalogue.create(config(name))
    collection.upsert([Write(record(f"{number}")) for number in range(count)]).result(10)
    return collection


def names(catalogue):
    return [collection.config.id for collection in catalogue.list()]


def on_disk(folder):
    """What lies in the folder, the ends of folder names cut off."""
    return sorted(path.name.partition(".")[0] or path.name for path in folder.iterdir())


EMPTY = [".lock", ".snapshots", "names"]


def folder_of(folder, name):
    (found,) = folder.glob(f"{name}.????????")
    return found
