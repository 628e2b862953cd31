"""The documentation of the standard library of the Python that runs, as a source of rows."""

import hashlib
import platform
from collections.abc import Iterator

from frostline.client import Record
from frostline.indexer.errors import BadSource
from frostline.indexer.options import IndexOptions
from frostline.indexer.pydoc_library import library
from frostline.indexer.pydoc_names import Documented
from frostline.indexer.rows import Position, Row

_SUMMARY_CHARACTERS = 200


class PythonDocs:
    """A record for each documented public module, class, function and method of the standard library.

    Ids are the names by which one uses them: `random.choice`, `list.sort`. The text is the name with its parameters,
    and the docstring. The payload holds `name`, `kind`, `module` and `summary`. Satisfies `Source`.

    Args:
        options: fields make no sense here.

    Raises:
        BadSource: fields are given, or this Python comes without the source of its library.
    """

    def __init__(self, options: IndexOptions) -> None:
        if options.chosen_fields:
            raise BadSource(f"pydoc: has no fields; leave out {', '.join(options.chosen_fields)}")
        self._entries = library()
        if not any(entry.kind == "module" for entry in self._entries):
            raise BadSource("this Python comes without the source of its standard library; install it, or use another")
        digest = hashlib.blake2b(digest_size=16)
        for entry in self._entries:
            digest.update(repr(entry).encode("utf-8", "surrogatepass"))
        self._identity: dict[str, str | int] = {
            "source": f"documentation of Python {platform.python_version()}",
            "documents": len(self._entries),
            "hash of the documents": digest.hexdigest(),
        }

    @property
    def identity(self) -> dict[str, str | int]:
        """The version of Python, and a hash over all documents."""
        return self._identity

    @property
    def total(self) -> int:
        """Number of documents."""
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Not needed, since `total` is known."""
        return 0

    def rows(self, start: Position) -> Iterator[Row]:
        """Gives documents from a place on."""
        for number, entry in enumerate(self._entries[start.row :], start.row + 1):
            text = f"{entry.name}{entry.signature}\n{entry.doc}"
            payload = {"name": entry.name, "kind": entry.kind, "module": entry.module, "summary": _summary(entry)}
            yield Row(number, Position(number), Record(entry.name, text=text, payload=payload), len(text.encode()))


def _summary(entry: Documented) -> str:
    # Docstrings of C functions often begin with the signature.
    last_name = entry.name.rpartition(".")[2]
    paragraphs = [" ".join(part.split()) for part in entry.doc.split("\n\n")]
    first = next((part for part in paragraphs if part and not part.startswith(f"{last_name}(")), paragraphs[0])
    return first if len(first) <= _SUMMARY_CHARACTERS else first[: _SUMMARY_CHARACTERS - 3].rstrip() + "..."
