"""Looking at a collection as of one commit, whichever is the last."""

import contextlib
import sqlite3
from collections.abc import Callable, Generator
from typing import TypeVar

from frostline.server.collections.rows.database import Readers
from frostline.server.collections.rows.records import Rows
from frostline.server.collections.search.view import Moved, StateView
from frostline.server.collections.segments.state import States

T = TypeVar("T")


class Views:
    """Gives views of one collection; called by several threads at once.

    Args:
        states: of the collection.
        readers: likewise.
    """

    def __init__(self, states: States, readers: Readers) -> None:
        self._states = states
        self._readers = readers

    def seen(self, look: Callable[[StateView], T], *, rows: bool = False) -> T:
        """Looks at one commit: without its rows first, unless they are needed, and if they turn out to be, again.

        Args:
            look: may be called twice; what it returns must not need the view any more.
            rows: whether it is known to need rows.
        """
        if not rows:
            last = self._states.state
            with contextlib.ExitStack() as stack, contextlib.suppress(Moved):
                return look(StateView(last, lambda: self._rows_at(stack, last.sequence)))
        with self._view() as view:
            return look(view)

    @contextlib.contextmanager
    def _view(self) -> Generator[StateView]:
        with self._readers.connection() as connection:
            while True:
                connection.execute("BEGIN")
                if state := self._states.at(Rows(connection, self._states.state.config).sequence()):
                    yield StateView(state, lambda: connection)
                    return
                connection.execute("ROLLBACK")  # two commits came in between

    def _rows_at(self, stack: contextlib.ExitStack, sequence: int) -> sqlite3.Connection:
        connection = stack.enter_context(self._readers.connection())
        connection.execute("BEGIN")
        if Rows(connection, self._states.state.config).sequence() != sequence:
            raise Moved
        return connection
