"""Changes names and snapshots until it is killed, and says on stdout what it tries and what was acknowledged.

    python names_until_killed.py FOLDER FIRST [PLANTED]

What operation n does follows from n and from what is there, so that who reads along knows what should be there next.
Collections are told apart by their descriptions, whatever they are called.
"""

import contextlib
import json
import os
import random
import sqlite3
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from collecting import config
from frostline.server import durable_files
from frostline.server.collections import names
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.names import Names, NamesFile
from frostline.server.collections.rows import database
from frostline.server.collections.rows.meta import read_meta

NAMES = ("a", "b", "c", "d")
ALIASES = ("x", "y")


@dataclass(frozen=True)
class Expected:
    """Descriptions by name, names by alias, and name and description of each snapshot, oldest first."""

    collections: dict = field(default_factory=dict)
    aliases: dict = field(default_factory=dict)
    snapshots: tuple = ()


def found(catalogue, folder):
    collections = {each.config.id: each.config.description for each in catalogue.list()}
    assert list(collections) == sorted(collections)
    named = NamesFile(Path(folder)).read() or Names()
    assert set(named.collections) == set(collections), "one cannot be opened"
    # By the name they were made under, with which an id begins: those that are told follow the collection.
    snapshots = [(each.id.split("-")[0], _description(folder, each.id)) for each in reversed(catalogue.snapshots())]
    return Expected(collections, catalogue.aliases(), tuple(snapshots))


def _description(folder, snapshot_id):
    file = Path(folder) / ".snapshots" / snapshot_id / database.FILE_NAME
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        return read_meta(connection, file).config.description


def planned(number, now):
    """The name and the arguments of a method of `Catalogue`, and what is there after it."""
    chance = random.Random(number)
    free = [name for name in NAMES if name not in now.collections]
    taken = sorted(now.collections)
    possible = []
    if free:
        possible += ["create"]
        possible += ["restore_snapshot"] * bool(now.snapshots)
        possible += ["rename"] * 3 * bool(taken)
    if taken:
        possible += ["set_alias"] * 3 + ["create_snapshot", "delete"]
    possible += ["delete_alias"] * bool(now.aliases) + ["delete_snapshot"] * (len(now.snapshots) > 2)
    kind = chance.choice(possible)
    return kind, *OPERATIONS[kind](now, number, free and chance.choice(free), taken and chance.choice(taken), chance)


def _create(now, number, free, taken, chance):
    after = replace(now, collections=now.collections | {free: f"made by {number}"})
    return (config(free, description=f"made by {number}"),), after


def _rename(now, number, free, taken, chance):
    collections = {free if name == taken else name: each for name, each in now.collections.items()}
    aliases = {alias: free if name == taken else name for alias, name in now.aliases.items()}
    return (taken, free), replace(now, collections=collections, aliases=aliases)


def _delete(now, number, free, taken, chance):
    collections = {name: each for name, each in now.collections.items() if name != taken}
    aliases = {alias: name for alias, name in now.aliases.items() if name != taken}
    return (taken,), replace(now, collections=collections, aliases=aliases)


def _set_alias(now, number, free, taken, chance):
    alias = chance.choice(ALIASES)
    return (alias, taken), replace(now, aliases=now.aliases | {alias: taken})


def _delete_alias(now, number, free, taken, chance):
    alias = chance.choice(sorted(now.aliases))
    return (alias,), replace(now, aliases={each: name for each, name in now.aliases.items() if each != alias})


def _create_snapshot(now, number, free, taken, chance):
    return (taken,), replace(now, snapshots=(*now.snapshots, (taken, now.collections[taken])))


def _restore_snapshot(now, number, free, taken, chance):
    _, description = now.snapshots[-1]
    return (-1, free), replace(now, collections=now.collections | {free: description})


def _delete_snapshot(now, number, free, taken, chance):
    return (0,), replace(now, snapshots=now.snapshots[1:])


OPERATIONS = {
    "create": _create,
    "rename": _rename,
    "delete": _delete,
    "set_alias": _set_alias,
    "delete_alias": _delete_alias,
    "create_snapshot": _create_snapshot,
    "restore_snapshot": _restore_snapshot,
    "delete_snapshot": _delete_snapshot,
}


def run(catalogue, kind, arguments):
    if kind in ("restore_snapshot", "delete_snapshot"):  # the position of a snapshot, oldest first, becomes its id
        position, *rest = arguments
        arguments = (list(reversed(catalogue.snapshots()))[position].id, *rest)
    getattr(catalogue, kind)(*arguments)


def say(word, number):
    os.write(1, f"{word} {number}\n".encode())


def write_in_place(path, content):
    """The planted bug: no temporary file, no rename, and some time in the middle."""
    text = json.dumps({"crc": durable_files._crc(content), **content})
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        time.sleep(0.2)
        file.write(text[len(text) // 2 :])


def main(folder, first, planted=""):
    if planted:
        names.write_json = write_in_place
    catalogue = Catalogue(Path(folder))
    number = int(first)
    while True:
        say("try", number)
        kind, arguments, _ = planned(number, found(catalogue, folder))
        run(catalogue, kind, arguments)
        say("ack", number)
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
