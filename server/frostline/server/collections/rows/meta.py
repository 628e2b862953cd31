"""What a collection's file says about the collection."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows.database import explained
from frostline.server.errors import DataDamaged, InvalidInput


@dataclass(frozen=True, slots=True)
class Meta:
    """A collection as of one commit, apart from its rows.

    Attributes:
        config: the configuration.
        sequence: the commit's number; 0 before the first.
        last_internal_id: the highest internal id ever given.
    """

    config: CollectionConfig
    sequence: int
    last_internal_id: int


def read_meta(connection: sqlite3.Connection, path: Path) -> Meta:
    """Reads it.

    Args:
        connection: to the collection's file.
        path: of the file, for messages.

    Raises:
        DataDamaged: the file cannot be read, or holds no configuration.
        Overloaded: no more files may be opened.
    """
    try:
        row = connection.execute("SELECT config, sequence, internal_id FROM meta").fetchone()
        config_json, sequence, last_internal_id = row or ("", 0, 0)
        return Meta(CollectionConfig.model_validate_json(config_json), sequence, last_internal_id)
    except sqlite3.Error as error:
        raise explained(error, path) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "all of it"
        raise _no_config(path, f"{field}: {first['msg']}") from error
    except InvalidInput as error:
        raise _no_config(path, str(error)) from error


def _no_config(path: Path, why: str) -> DataDamaged:
    return DataDamaged(f"{path} holds no configuration ({why}); restore the file from a backup")
