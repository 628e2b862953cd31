"""Keyword search over the texts of records, by BM25."""

import itertools
import json
import re
import sqlite3

import numpy as np
from numpy.typing import NDArray

MAX_TERMS = 256
"""More words of one query are passed over: each is a lookup of its own."""
MAX_TERM_CHARACTERS = 256

_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")
"""What FTS5's unicode61 takes for a word, near enough: letters and digits, with the accents behind them."""


class KeywordIndex:
    """The full text index of one collection, seen through one connection.

    Args:
        connection: in a transaction where several calls must see the same.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def search(
        self, text: str, limit: int, offset: int = 0, ids: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Finds the rows whose texts have any of the words.

        Args:
            text: any text; it has no syntax. Its first 256 words count, each as often as it comes.
            limit: the most rows, at least 1.
            offset: rows to pass over.
            ids: int64 of shape (n,), the internal ids that may be found; None for all.

        Returns:
            Internal ids and scores, best first, equal scores by ascending internal id. A score is above 0 and tells
            rows of this query apart, nothing else.

        Source: Robertson and Zaragoza 2009, with k1 = 1.2 and b = 0.75, as in SQLite's FTS5.
        """
        query = _query(text)
        if not query or limit < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        wanted = asked = offset + limit
        while True:
            found = self._ranked(query, asked, ids)
            living = self._living([internal_id for internal_id, _ in found])
            ranked = [each for each in found if each[0] in living]
            if len(ranked) >= wanted or len(found) < asked:
                break
            # The words of a text that was damaged outlive its row; see `RowChanges`.
            asked += 2 * (len(found) - len(ranked))
        page = ranked[offset:wanted]
        return np.array([row[0] for row in page], np.int64), np.array([row[1] for row in page], np.float32)

    def _ranked(self, query: str, limit: int, ids: NDArray[np.int64] | None) -> list[tuple[int, float]]:
        # `+` keeps SQLite from asking the index for each id alone, which takes 45 times as long for 1,000 of them.
        among, arguments = ("", []) if ids is None else ("AND +rowid IN (SELECT value FROM json_each(?))", [_json(ids)])
        return self._connection.execute(
            f"SELECT rowid, -bm25(keywords) FROM keywords WHERE keywords MATCH ? {among} ORDER BY 2 DESC, 1 LIMIT ?",
            [query, *arguments, limit],
        ).fetchall()

    def _living(self, internal_ids: list[int]) -> set[int]:
        query = "SELECT internal_id FROM records WHERE internal_id IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self._connection.execute(query, (json.dumps(internal_ids),))}


def _json(ids: NDArray[np.int64]) -> str:
    return json.dumps(ids.tolist())


def _query(text: str) -> str:
    """The words of a text, each quoted: what is quoted has no meaning to FTS5."""
    words = itertools.islice(_WORD.finditer(text), MAX_TERMS)
    return " OR ".join(f'"{match[0][:MAX_TERM_CHARACTERS]}"' for match in words)
