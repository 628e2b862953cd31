"""From the fields of a row to a record."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from stat import S_ISREG
from typing import Any, cast
from uuid import UUID

from frostline.client import Record
from frostline.indexer.errors import BadSource
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Row

_DEFAULT_TEXT_FIELD = "text"
_SHOWN_FIELDS = 20


class RowRejected(Exception):
    """A row that becomes no record.

    Args:
        reason: in UPPER_SNAKE case.
        message: what is wrong, which value, and what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Fields:
    """Makes records of rows.

    Args:
        options: which field is what.
        path: the source; ids begin with its name, and images lie in its folder.
    """

    def __init__(self, options: IndexOptions, path: Path) -> None:
        self._options = options
        self._name = path.name
        self._folder = path.parent.resolve()
        self._text = "" if options.image_field else options.text_field or _DEFAULT_TEXT_FIELD
        self._special = {self._text, options.image_field, options.id_field}

    @property
    def needed(self) -> list[str]:
        """The fields that a row must have, and those asked for as payload."""
        named = (self._text, self._options.image_field, self._options.id_field, *(self._options.payload_fields or ()))
        return [name for name in dict.fromkeys(named) if name]

    def expect(self, known: Iterable[str], path: Path) -> None:
        """Refuses a source whose columns lack a field.

        Raises:
            BadSource: names the field, the columns and the option.
        """
        known = list(known)
        for name in self.needed:
            if name not in known:
                raise BadSource(
                    f"{path} has no column {name!r}, it has {_listed(known)}; "
                    f"choose with {self._options.option_of(name)}"
                )

    def row(self, number: int, end: Position, values: Mapping[str, Any]) -> Row:
        """Makes a row of its fields; a rejected one where they are not right."""
        id = ""
        try:
            id = self._id(number, values)
            return self._row(number, end, id, values)
        except RowRejected as error:
            return Row(number, end, Rejection(number, id, error.reason, str(error)))
        except RecursionError:
            return Row(number, end, Rejection(number, id, "WRONG_TYPE", "payload is nested too deeply; flatten it"))

    def _row(self, number: int, end: Position, id: str, values: Mapping[str, Any]) -> Row:
        text = self._content(values) if self._text else None
        image = self._image(values) if self._options.image_field else None
        payload = self._payload(values)
        size = (
            len(id) + _utf8_bytes(text or "", f"text field {self._text!r}") + len(image or b"") + payload_bytes(payload)
        )
        if size > self._options.max_row_bytes:
            raise RowRejected("TOO_LARGE", f"record has {size} bytes; at most {self._options.max_row_bytes} are taken")
        return Row(number, end, Record(id, text=text, image=image, payload=payload), size)

    def _id(self, number: int, values: Mapping[str, Any]) -> str:
        field = self._options.id_field
        if not field:
            return f"{self._name}:{number}"
        value = _field(values, field)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise RowRejected("WRONG_TYPE", f"id field {field!r} is {_shown(value)}; an id is a text or an integer")
        _utf8_bytes(str(value), f"id field {field!r}")
        return str(value)

    def _content(self, values: Mapping[str, Any]) -> str:
        value = _field(values, self._text)
        if not isinstance(value, str):
            raise RowRejected("WRONG_TYPE", f"text field {self._text!r} is {_shown(value)}; it must be a text")
        return value

    def _image(self, values: Mapping[str, Any]) -> bytes:
        field = self._options.image_field
        value = _field(values, field)
        if isinstance(value, Mapping):  # as the Hugging Face datasets library stores images in Parquet
            stored = cast("Mapping[str, Any]", value)
            value = stored.get("bytes") or stored.get("path")
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise RowRejected("WRONG_TYPE", f"image field {field!r} is {_shown(value)}; it must be a path or bytes")
        path = (self._folder / _checked_path(value)).resolve()
        if not path.is_relative_to(self._folder):
            raise RowRejected("UNREADABLE_FILE", f"image {value!r} lies outside the source's folder {self._folder}")
        return read_image(path, self._options.max_row_bytes)

    def _payload(self, values: Mapping[str, Any]) -> dict[str, Any]:
        wanted = self._options.payload_fields
        names = [name for name in values if name not in self._special] if wanted is None else wanted
        return {name: _plain(values[name], name) for name in names if name in values}


def is_utf8(text: str) -> bool:
    """Whether a text can be sent; bytes that were no UTF-8, and halves of surrogates, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def payload_bytes(payload: Mapping[str, Any]) -> int:
    """Bytes of a payload on its way to the server.

    Raises:
        RowRejected: it cannot be sent.
    """
    try:
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise RowRejected("WRONG_TYPE", f"payload holds a number that is not finite: {error}") from error
    return _utf8_bytes(text, "payload")


def read_image(path: Path, max_bytes: int) -> bytes:
    """Reads a file that should be an image.

    Raises:
        RowRejected: it cannot be read, or is too large.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise RowRejected("UNREADABLE_FILE", f"{path} is no file")
        if status.st_size > max_bytes:
            raise RowRejected("TOO_LARGE", f"{path} has {status.st_size} bytes; at most {max_bytes} are taken")
        return path.read_bytes()
    except OSError as error:
        raise RowRejected("UNREADABLE_FILE", f"{path} cannot be read: {error.strerror}") from error


def _field(values: Mapping[str, Any], name: str) -> object:
    value: object = values.get(name)
    if value is None and name in values:
        raise RowRejected("MISSING_FIELD", f"{name!r} of the row is null")
    if value is None:
        raise RowRejected("MISSING_FIELD", f"row has no {name!r}, it has {_listed(values)}")
    return value


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN_FIELDS} more" if len(names) > _SHOWN_FIELDS else ""
    return (", ".join(map(repr, names[:_SHOWN_FIELDS])) or "none") + more


def _shown(value: object) -> str:
    return f"{str(value)[:60]!r} of type {type(value).__name__}"


def _utf8_bytes(text: str, where: str) -> int:
    if not is_utf8(text):
        raise RowRejected("NOT_UTF8", f"{where} holds bytes that are no UTF-8, or half a surrogate")
    return len(text.encode())


def _checked_path(value: str) -> Path:
    if "\0" in value:
        raise RowRejected("UNREADABLE_FILE", f"image path {value[:60]!r} holds a zero byte")
    return Path(value)


def _plain(value: object, field: str) -> object:
    """What JSON can hold: dates as ISO 8601, decimals and UUIDs as texts, numbers that are not finite as null."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID | timedelta):
        return str(value)
    if isinstance(value, Mapping):
        inner = cast("Mapping[object, Any]", value)
        return {str(key): _plain(item, field) for key, item in inner.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, field) for item in cast("list[Any]", value)]
    raise RowRejected(
        "WRONG_TYPE", f"payload field {field!r} is {_shown(value)}, which JSON cannot hold; leave it out of the payload"
    )
