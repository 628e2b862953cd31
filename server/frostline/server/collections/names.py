"""Which folder holds which collection, and which aliases lead there: one small file, replaced as a whole.

    names.json          {"collections": {name: folder}, "aliases": {alias: name}, "crc": ...}
    names.json.damaged  what was found in its place once and could not be read

A folder keeps its name for ever, since files that SQLite has open must not move. So every change of names is one
replacement of one file: it is done, or it is not.
"""

import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from frostline.server.collections import validation
from frostline.server.durable_files import read_json, write_json
from frostline.server.errors import AlreadyExists, DataDamaged, InvalidInput, NotFound

FILE_NAME = "names.json"
DAMAGED = f"{FILE_NAME}.damaged"

_FOLDER = r"[a-z0-9][a-z0-9_-]{0,62}\.[0-9a-f]{8}"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one moment. Each change makes new ones.

    Attributes:
        collections: folder by name.
        aliases: name of a collection by alias.
    """

    collections: Mapping[str, str] = field(default_factory=dict[str, str])
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])

    def folder(self, name: str) -> str | None:
        """The folder that a name or an alias leads to."""
        return self.collections.get(self.resolved(name))

    def resolved(self, name: str) -> str:
        """The name of the collection that a name or an alias leads to, if there is one."""
        return self.aliases.get(name, name)

    def name(self, folder: str) -> str | None:
        """The name of the collection in a folder."""
        return next((name for name, each in self.collections.items() if each == folder), None)

    def check_free(self, name: str) -> None:
        """Checks that a collection may take a name.

        Raises:
            InvalidInput: nothing may be called so.
            AlreadyExists: a collection or an alias has it.
        """
        _check(name, "collection name")
        if name in self.collections:
            raise AlreadyExists(f"collection {name!r} exists; take another name, or delete it first")
        if name in self.aliases:
            raise AlreadyExists(
                f"{name!r} is an alias of collection {self.aliases[name]!r}; take another name, or delete the alias "
                "first"
            )

    def with_collection(self, name: str, folder: str) -> "Names":
        """Adds a collection; raises what `check_free` raises."""
        self.check_free(name)
        return Names({**self.collections, name: folder}, self.aliases)

    def renamed(self, name: str, new: str) -> "Names":
        """Gives a collection another name; its aliases follow.

        Raises:
            NotFound: no collection has the old name.
            InvalidInput: nothing may have the new name.
            AlreadyExists: a collection or an alias has the new name.
        """
        self._check_exists(name)
        self.check_free(new)
        return Names(
            {new if each == name else each: folder for each, folder in self.collections.items()},
            {alias: new if each == name else each for alias, each in self.aliases.items()},
        )

    def without(self, name: str) -> "Names":
        """Takes a collection away, and its aliases.

        Raises:
            NotFound: no collection has the name.
        """
        self._check_exists(name)
        return Names(
            {each: folder for each, folder in self.collections.items() if each != name},
            {alias: each for alias, each in self.aliases.items() if each != name},
        )

    def with_alias(self, alias: str, name: str) -> "Names":
        """Lets an alias, new or not, lead to a collection.

        Raises:
            InvalidInput: nothing may be called like the alias, or the collection is named by an alias.
            NotFound: no collection has the name.
            AlreadyExists: a collection is called like the alias.
        """
        _check(alias, "alias")
        if alias in self.collections:
            raise AlreadyExists(f"a collection is called {alias!r}; take another alias, or rename the collection")
        if name in self.aliases:
            raise InvalidInput(f"{name!r} is an alias itself; name its collection {self.aliases[name]!r}")
        self._check_exists(name)
        return Names(self.collections, {**self.aliases, alias: name})

    def without_alias(self, alias: str) -> "Names":
        """Takes an alias away.

        Raises:
            NotFound: there is none of this name.
        """
        if alias not in self.aliases:
            raise NotFound(f"alias {alias[:80]!r} does not exist")
        return Names(self.collections, {each: name for each, name in self.aliases.items() if each != alias})

    def _check_exists(self, name: str) -> None:
        if name in self.collections:
            return
        if name in self.aliases:
            raise NotFound(f"{name!r} is an alias; name its collection {self.aliases[name]!r}, or delete the alias")
        raise NotFound(f"collection {name[:80]!r} does not exist")


class NamesFile:
    """Keeps names in a folder.

    Args:
        folder: that of all collections.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def read(self) -> Names | None:
        """Reads the names; None where there are none yet.

        Raises:
            DataDamaged: they cannot be read.
        """
        try:
            content = _Content.model_validate(read_json(self._path))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise DataDamaged(f"{self._path} is damaged: it names something else than collections") from error
        return Names(content.collections, content.aliases)

    def write(self, names: Names) -> None:
        """Replaces the names; they are on disk when this returns.

        Raises:
            OSError: as `durable_files.write_json` does.
        """
        write_json(self._path, {"collections": names.collections, "aliases": names.aliases})

    def set_damaged_aside(self) -> None:
        """Keeps what could not be read beside the file that is to come."""
        self._path.replace(self._path.with_name(DAMAGED))


def new_folder(name: str) -> str:
    """A folder for a new collection, whose name nothing ever had."""
    return f"{name}.{uuid.uuid4().hex[:8]}"


def is_folder(name: str) -> bool:
    """Whether a folder may hold a collection."""
    return re.fullmatch(_FOLDER, name) is not None


def rebuilt(last_names: Mapping[str, str]) -> Names:
    """Names for folders about which no file says anything any more.

    Args:
        last_names: by folder, the name that its collection had last, as far as it knows.

    Returns:
        A name for each folder: the one it had last, or that and a part of its folder's name where two had the same.
    """
    # Of two with the same name, the one that was created with it keeps it.
    order = sorted(last_names, key=lambda folder: (created_as(folder) != last_names[folder], folder))
    collections: dict[str, str] = {}
    for folder in order:
        name = last_names[folder]
        if not validation.is_name(name) or name in collections:
            name = f"{created_as(folder)[:54]}-{folder[-8:]}"
        collections[name] = folder
    return Names(collections)


def created_as(folder: str) -> str:
    """The name that the collection in a folder had first."""
    return folder.rpartition(".")[0]


def _check(name: str, what: str) -> None:
    if not validation.is_name(name):
        raise InvalidInput(
            f"{what} {name[:80]!r} is not allowed; take 1 to 63 lower-case letters, digits, hyphens and underscores, "
            "a letter or digit first"
        )


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    collections: dict[str, Annotated[str, StringConstraints(pattern=f"^{_FOLDER}$")]]
    aliases: dict[str, str]
