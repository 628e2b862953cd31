"""What can be done to a collection, and the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.records import Record
from frostline.server.errors import FrostlineError


@dataclass(frozen=True, slots=True)
class Written:
    """What an operation did, once it is durable.

    Attributes:
        count: records, or interactions, written, changed or deleted.
        sequence: the commit that holds it; each operation has one of its own.
        errors: the items of the operation that were refused, by position.
    """

    count: int
    sequence: int
    errors: Mapping[int, FrostlineError] = field(default_factory=dict[int, FrostlineError])


@dataclass(slots=True, eq=False)
class Write:
    """One record to write. Nobody changes one; only, frozen ones take three times as long to make.

    Attributes:
        record: checked.
        expected_sequence: None writes in any case; 0 only if no record has the id, another number only if the stored
            one still has this sequence.
        keeps_vectors: whether the vectors stored under the id are taken over instead of the record's own, which are
            then empty. Goes with an `expected_sequence` above 0.
    """

    record: Record
    expected_sequence: int | None = None
    keeps_vectors: bool = False


@dataclass(frozen=True, slots=True)
class Upsert:
    """Writes records, replacing those with the same id; of equal ids the later stays."""

    writes: Sequence[Write]
    request_id: str = ""
    request_digest: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class UpsertVectors:
    """Writes records that have an id, a payload and one vector each, column by column; otherwise as `Upsert`.

    Attributes:
        slot: of the vector name.
        ids: of the n records, checked.
        payloads: checked; empty stands for `{}`.
        vectors: float32 of shape (n, d), checked.
        request_id: as ever.
        request_digest: as ever.
    """

    slot: int
    ids: Sequence[str]
    payloads: Sequence[bytes]
    vectors: NDArray[np.float32]
    request_id: str = ""
    request_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class PayloadPatch:
    """A change of one payload.

    Attributes:
        id: of the record.
        patch: JSON merge patch, RFC 7396.
        expected_sequence: as in `Write`, above 0.
    """

    id: str
    patch: Mapping[str, Any]
    expected_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Changes payloads, one after the other."""

    patches: Sequence[PayloadPatch]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes records by id, passing over those that do not exist."""

    ids: Sequence[str]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class DeleteRows:
    """Deletes the rows that a filter has found; those written again since have other internal ids and stay.

    Attributes:
        internal_ids: of the rows.
        request_id: as ever.
        request_digest: tells requests with the same id apart: of the filter, since rows differ from run to run.
    """

    internal_ids: Sequence[int]
    request_id: str = ""
    request_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class RecordInteractions:
    """Writes interactions, replacing those of the same user, record and kind; of equal ones the later stays.

    Attributes:
        interactions: checked; at most 65,536.
        request_id: as ever.
        request_digest: as ever; of the request as it was sent, since times that it does not say differ.
    """

    interactions: Sequence[Interaction]
    request_id: str = ""
    request_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class DeleteInteractions:
    """Deletes the interactions that meet all conditions.

    Attributes:
        user: whose; all users' where empty.
        records: ids of their records; those of any where empty.
        kinds: those of any where empty.
        start: seconds since the epoch, not earlier; None for any.
        end: seconds since the epoch, earlier than this; None for any.
        request_id: as ever.
    """

    user: str = ""
    records: Sequence[str] = ()
    kinds: Sequence[str] = ()
    start: float | None = None
    end: float | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Deletes everything of a user."""

    user: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Configure:
    """Changes the configuration: values by name of the field in `CollectionConfig`."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Forget:
    """Deletes tombstones that nothing derived needs any more. Makes no commit of its own.

    Attributes:
        internal_ids: of rows that are in no segment.
    """

    internal_ids: Sequence[int]


Request = Upsert | UpsertVectors | Patch | Delete | DeleteRows | RecordInteractions | DeleteInteractions | DeleteUser
"""Operations that may carry a request id."""

Operation = Request | Configure | Forget
