"""What a job remembers, so that after any end it goes on as if there had been none.

    checkpoint.json     how far the server has acknowledged; replaced as a whole after every batch
    rejected.jsonl      a line for each rejected row; what the checkpoint does not count is cut off when a job goes on

Rows after the checkpoint may be on the server already. They are sent again in the same order, and so end the same.
"""

import fcntl
import json
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from frostline.indexer.errors import IndexingError, JobChanged
from frostline.indexer.rows import Position, Rejection

CHECKPOINT = "checkpoint.json"
REJECTED = "rejected.jsonl"

Identity = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class State:
    """How far a job is.

    Attributes:
        position: the place after the last acknowledged row.
        rows: acknowledged, rejected ones counted.
        indexed: records the server wrote.
        unchanged: records it passed over because they were stored as they came.
        reused: of the records written, those that kept their vectors.
        repeated: rows whose id came again in the same batch, so that the later row was taken.
        rejected: rows that became none.
        rejected_bytes: size of `rejected.jsonl`.
    """

    position: Position = field(default_factory=Position)
    rows: int = 0
    indexed: int = 0
    unchanged: int = 0
    reused: int = 0
    repeated: int = 0
    rejected: int = 0
    rejected_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a batch.

    Attributes:
        indexed: records the server wrote.
        unchanged: records it passed over.
        reused: of the records written, those that kept their vectors.
        rejections: the rejected rows.
    """

    indexed: int = 0
    unchanged: int = 0
    reused: int = 0
    rejections: Sequence[Rejection] = ()


class Journal:
    """The files of one job while it runs. Use `open_journal`.

    Args:
        folder: where they are.
        identity: what must not change while the job is under way.
        state: where it goes on; None where there is no checkpoint.
        rejected: `rejected.jsonl`, cut to what the state counts.
    """

    def __init__(self, folder: Path, identity: Identity, state: State | None, rejected: BinaryIO) -> None:
        self._folder = folder
        self._identity = identity
        self._rejected = rejected
        self.goes_on = state is not None
        self.state = state or State()

    @property
    def rejected_path(self) -> Path:
        """Where rejected rows are listed."""
        return self._folder / REJECTED

    def begin(self) -> None:
        """Writes a checkpoint before there is anything to remember: a job that was begun can be told from none."""
        self._write_checkpoint()

    def acknowledge(self, end: Position, rows: int, answer: Answer) -> None:
        """Makes a batch part of what is never done again.

        Args:
            end: the place after its last row.
            rows: how many it had.
            answer: what became of them.
        """
        written = b"".join(json.dumps(asdict(rejection)).encode() + b"\n" for rejection in answer.rejections)
        if written:
            self._rejected.write(written)
            _sync(self._rejected)
        state, rejected = self.state, len(answer.rejections)
        repeated = rows - answer.indexed - answer.unchanged - rejected
        self.state = replace(
            state,
            position=end,
            rows=state.rows + rows,
            indexed=state.indexed + answer.indexed,
            unchanged=state.unchanged + answer.unchanged,
            reused=state.reused + answer.reused,
            repeated=state.repeated + max(0, repeated),  # a request sent twice may count records in two ways
            rejected=state.rejected + rejected,
            rejected_bytes=state.rejected_bytes + len(written),
        )
        self._write_checkpoint()

    def rejections(self) -> Iterator[Rejection]:
        """The rejected rows, from the list."""
        with self.rejected_path.open("rb") as file:
            for line in file:
                yield Rejection(**json.loads(line))

    def finish(self) -> None:
        """Forgets the checkpoint; `rejected.jsonl` stays if it has lines."""
        (self._folder / CHECKPOINT).unlink(missing_ok=True)
        if not self.state.rejected:
            self.rejected_path.unlink()

    def _write_checkpoint(self) -> None:
        path = self._folder / CHECKPOINT
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(json.dumps({"job": self._identity, "state": asdict(self.state)}, indent=1).encode())
            _sync(file)
        temporary.replace(path)
        sync_folder(self._folder)


@contextmanager
def open_journal(folder: Path, identity: Identity, *, restart: bool) -> Generator[Journal]:
    """Opens the files of a job, and keeps other processes from doing so.

    Args:
        folder: made if missing.
        identity: what must not change while the job is under way.
        restart: whether to begin again whatever the checkpoint says.

    Raises:
        JobChanged: the checkpoint belongs to a job that differs; says in what.
        IndexingError: another process is at it, the checkpoint cannot be read, or rejected rows are gone from the list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if restart:
            (folder / CHECKPOINT).unlink(missing_ok=True)
        state = _read(folder / CHECKPOINT, identity)
        with (folder / REJECTED).open("ab") as rejected:
            _cut(rejected, folder / REJECTED, state or State())
            yield Journal(folder, identity, state, rejected)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise IndexingError(f"another job works in {folder}; wait for it, or choose another work folder") from error
    finally:
        os.close(descriptor)


def _read(path: Path, identity: Identity) -> State | None:
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_bytes())
        state = State(**(stored["state"] | {"position": Position(**stored["state"]["position"])}))
        before: Identity = dict(stored["job"])
    except (ValueError, KeyError, TypeError) as error:
        raise IndexingError(f"{path} cannot be read ({error}); begin again with --restart") from error
    changes = [
        f"{name} was {before.get(name)!r} and is {identity.get(name)!r}"
        for name in dict.fromkeys([*before, *identity])
        if before.get(name) != identity.get(name)
    ]
    if changes:
        raise JobChanged(
            f"{path} belongs to a job that stopped after {state.rows} rows, and since then {'; '.join(changes)}; "
            "go on as before, or begin again with --restart"
        )
    return state


def _cut(rejected: BinaryIO, path: Path, state: State) -> None:
    size = rejected.seek(0, os.SEEK_END)
    if size < state.rejected_bytes:  # truncate would fill it up with zeros
        raise IndexingError(
            f"{path} has {size} bytes, but {state.rejected_bytes} bytes were written for {state.rejected} rejected "
            "rows; put it back, or begin again with --restart"
        )
    rejected.truncate(state.rejected_bytes)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
