"""A follower that remembers what it was told, and a ledger with one."""

from dataclasses import dataclass, field
from typing import NamedTuple

from collecting import config
from frostline.server.collections.rows import database
from frostline.server.collections.rows.ledger import Ledger
from frostline.server.collections.rows.operations import Upsert, Write
from frostline.server.collections.rows.records import Rows


@dataclass
class Follower:
    """`commits` are those published; `events` all calls; `fails` is raised by the next `prepare`."""

    commits: list = field(default_factory=list)
    events: list = field(default_factory=list)
    fails: Exception | None = None
    prepared: object = None

    def prepare(self, commit):
        if self.fails:
            error, self.fails = self.fails, None
            raise error
        assert self.prepared is None
        self.prepared = commit
        self.events.append("prepare")

    def publish(self):
        self.commits.append(self.prepared)
        self.prepared = None
        self.events.append("publish")

    def discard(self):
        assert self.prepared is not None
        self.prepared = None
        self.events.append("discard")


class Kept:
    """A collection's file with the ledger that writes it, and reading eyes of its own."""

    def __init__(self, folder, **fields):
        self.path = folder / database.FILE_NAME
        self.follower = Follower()
        if not self.path.exists():
            database.create(self.path, config(**fields).model_dump_json())
        self.ledger = Ledger(self.path, self.follower)

    def write(self, *operations):
        """What came of operations that were written as one group."""
        outcomes = self.ledger.apply(operations)
        self.ledger.commit()
        return outcomes

    def upsert(self, *records, **request):
        (written,) = self.write(upsert(*records, **request))
        return written

    def rows(self):
        connection = database.connect(self.path)
        return Rows(connection, self.ledger.config)

    def sql(self, query, *arguments):
        """Runs a statement beside the ledger, as damage does."""
        connection = database.connect(self.path)
        with connection:
            found = connection.execute(query, arguments).fetchall()
        connection.close()
        return found

    def get(self, record_id):
        return self.rows().get(record_id, payloads=True, vectors=True, content=True)

    def close(self):
        self.ledger.close()


class AddedRow(NamedTuple):
    internal_id: int
    record_id: str
    payload: bytes
    vectors: dict


def added_rows(commit):
    """What a commit added, row by row."""
    return [
        AddedRow(internal_id, record_id, payload, vectors)
        for each in commit.added
        for place, (internal_id, record_id, payload) in enumerate(
            zip(each.internal_ids, each.record_ids, each.payloads, strict=True)
        )
        for vectors in [{slot: rows[place] for slot, rows in each.vectors.items() if rows[place] is not None}]
    ]


def upsert(*records, **request):
    return Upsert([each if isinstance(each, Write) else Write(each) for each in records], **request)
