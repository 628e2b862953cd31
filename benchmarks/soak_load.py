"""The load of the soak run: clients that do everything a collection can be asked for, and know what must be there."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from frostline.client import Client, Retry
from frostline.client.errors import FrostlineError

DIMENSIONS, BATCH, IDS, WRITERS = 384, 16, 4000, 2
ENCODER = "all-minilm-l6-v2"
NAMES = ("odd", "even")
"""The collection is renamed from one to the other and back."""
ALIAS = "soak"
"""Always leads to the collection."""
SWAPPED, OTHER = "swapped", "other"
"""An alias that leads to the collection and to another one in turn."""
SNAPSHOTS = 2
"""So many are kept."""


class State(NamedTuple):
    """What is stored under an id: the version of its vector, and a number that patches change."""

    version: int
    patch: int


@dataclass
class Names:
    """What names and snapshots may be; where two are possible, a call was in flight.

    Attributes:
        collection: names that the collection may have.
        swapped: where the alias `SWAPPED` may lead: to the collection, or not.
        snapshots: snapshots that must be there.
        snapshot_in_flight: whether one more or one less may be there.
    """

    collection: set[str] = field(default_factory=lambda: {NAMES[0]})
    swapped: set[bool] = field(default_factory=lambda: {False})
    snapshots: set[str] = field(default_factory=set[str])
    snapshot_in_flight: bool = False


class Load:
    """Clients at work until they are stopped or the server is gone.

    Attributes:
        acknowledged: the last acknowledged state of each id; None where it was deleted.
        in_flight: the last state of each id that was sent.
        names: of the collection, and its snapshots.
        calls: answered calls by kind.
        failures: what ended a client; the kill, or a fault.
    """

    def __init__(self) -> None:
        self.acknowledged: dict[str, State | None] = {}
        self.in_flight: dict[str, State | None] = {}
        self.names = Names()
        self.calls = dict.fromkeys(("upsert", "patch", "delete", "search", "embed", "rename", "alias", "snapshot"), 0)
        self.failures: list[str] = []
        self._version = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def create(self, client: Client) -> None:
        """Makes the collections and aliases on a new server."""
        client.create_collection(NAMES[0], dimensions=DIMENSIONS, fields={"v": "integer"})
        client.create_collection(OTHER, dimensions=DIMENSIONS)
        client.set_alias(ALIAS, NAMES[0])
        client.set_alias(SWAPPED, OTHER)

    def start(self, target: str) -> None:
        """Sets the clients to work."""
        self._stop.clear()
        writers = [lambda client, part=part: self._write(client, part) for part in range(WRITERS)]
        works: list[Callable[[Client], None]] = [*writers, self._search, self._embed, self._name, self._keep]
        self._threads = [threading.Thread(target=self._repeat, args=(target, work)) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits for the clients to end their calls."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def settle(self, client: Client) -> list[str]:
        """Says what is wrong after a restart, and takes what is there for acknowledged from now on."""
        found = {record.id: record for record in client.list_records(ALIAS, include_vectors=True)}
        wrong: list[str] = []
        for each in found.keys() | self.in_flight.keys():
            possible = (self.acknowledged.get(each), self.in_flight.get(each))
            state = _state(found[each].payload) if each in found else None
            if state not in possible:
                wrong.append(f"{each} is {state}, acknowledged and in flight were {possible}")
            elif state and not np.array_equal(np.asarray(found[each].vector), vector_of(each, state.version)):
                wrong.append(f"{each} has another vector than {state}")
        if (counted := client.count(ALIAS)) != len(found):
            wrong.append(f"{counted} records are counted, {len(found)} are there")
        wrong += _unfindable(client, {each: _state(record.payload) for each, record in found.items()})
        wrong += self._settle_names(client)
        self.acknowledged = {each: _state(record.payload) for each, record in found.items()}
        self.in_flight = dict(self.acknowledged)
        return wrong

    def _settle_names(self, client: Client) -> list[str]:
        names, wrong = self.names, []
        collections = {each.name for each in client.list_collections()} - {OTHER}
        aliases = client.list_aliases()
        if len(collections) != 1 or not collections <= names.collection:
            wrong.append(f"there are {collections}, one of {names.collection} should be")
        if aliases.get(ALIAS) not in collections or aliases.keys() != {ALIAS, SWAPPED}:
            wrong.append(f"aliases lead to {aliases}, collections are {collections}")
        if (aliases.get(SWAPPED) != OTHER) not in names.swapped:
            wrong.append(f"{SWAPPED} leads to {aliases.get(SWAPPED)}, which it should not")
        there = {each.name for each in client.list_snapshots()}
        if len(there ^ names.snapshots) > names.snapshot_in_flight:
            wrong.append(f"there are the snapshots {there}, {names.snapshots} should be")
        self.names = Names(collections, {aliases.get(SWAPPED) != OTHER}, there)
        return wrong

    def _repeat(self, target: str, work: Callable[[Client], None]) -> None:
        with Client(target, retry=Retry(attempts=1), timeout_seconds=60) as client:
            while not self._stop.is_set():
                try:
                    work(client)
                except FrostlineError as error:
                    self.failures.append(str(error))
                    return

    def _write(self, client: Client, part: int) -> None:
        self._version += 1
        version = self._version * WRITERS + part
        ids = [f"r{number * WRITERS + part}" for number in random.sample(range(IDS // WRITERS), BATCH)]
        what = random.choices(("upsert", "patch", "delete"), (6, 1, 1))[0]
        if what == "upsert":
            states: dict[str, State | None] = dict.fromkeys(ids, State(version, 0))
            self.in_flight.update(states)
            vectors = np.stack([vector_of(each, version) for each in ids])
            client.upsert_vectors(ALIAS, ids, vectors, [{"v": version, "p": 0}] * BATCH)
        elif what == "patch":
            states = {each: State(state.version, version) for each in ids if (state := self.acknowledged.get(each))}
            self.in_flight.update(states)
            client.patch_payloads(ALIAS, {each: {"p": version} for each in states})
        else:
            states = dict.fromkeys(ids)
            self.in_flight.update(states)
            client.delete(ALIAS, ids)
        self.acknowledged.update(states)
        self.calls[what] += 1

    def _search(self, client: Client) -> None:
        vector = vector_of(f"r{random.randrange(IDS)}", 1)
        client.search(ALIAS, vector, filter=random.choice(("", "v > 1000", "p > 0")))
        self.calls["search"] += 1

    def _embed(self, client: Client) -> None:
        client.embed([f"text number {self.calls['embed']}"] * random.randint(1, 8), ENCODER)
        self.calls["embed"] += 1

    def _name(self, client: Client) -> None:
        (name,) = self.names.collection
        new = NAMES[1 - NAMES.index(name)]
        self.names.collection = {name, new}
        client.rename_collection(name, new)
        self.names.collection = {new}
        self.calls["rename"] += 1
        (here,) = self.names.swapped
        self.names.swapped = {True, False}
        client.set_alias(SWAPPED, OTHER if here else new)
        self.names.swapped = {not here}
        self.calls["alias"] += 1
        self._stop.wait(random.uniform(0, 0.2))

    def _keep(self, client: Client) -> None:
        names = self.names
        names.snapshot_in_flight = True
        names.snapshots.add(client.create_snapshot(ALIAS).name)
        if len(names.snapshots) > SNAPSHOTS:
            oldest = random.choice(sorted(names.snapshots))
            client.delete_snapshot(oldest)
            names.snapshots.remove(oldest)
        names.snapshot_in_flight = False
        self.calls["snapshot"] += 1
        self._stop.wait(random.uniform(0, 0.5))


def vector_of(record_id: str, version: int) -> np.ndarray:
    """The one vector that a version of a record can have; float32 of shape (384,)."""
    return np.random.default_rng([int(record_id[1:]), version]).standard_normal(DIMENSIONS, np.float32)


def restored(client: Client) -> list[str]:
    """Restores a snapshot and says what is wrong with it: each vector must be that of its version."""
    snapshots = client.list_snapshots()
    if not snapshots:
        return []
    snapshot = random.choice(snapshots)
    client.restore_snapshot(snapshot.name, "restored")
    found = {record.id: record for record in client.list_records("restored", include_vectors=True)}
    states = {each: _state(record.payload) for each, record in found.items()}
    wrong = [
        f"{each} of {snapshot.name} has another vector than {state}"
        for each, state in states.items()
        if not np.array_equal(np.asarray(found[each].vector), vector_of(each, state.version))
    ]
    if len(found) != snapshot.record_count:
        wrong.append(f"{snapshot.name} has {len(found)} records, not {snapshot.record_count}")
    client.delete_collection("restored")
    return wrong


def _state(payload: Mapping[str, int]) -> State:
    return State(payload["v"], payload["p"])


def _unfindable(client: Client, states: Mapping[str, State]) -> list[str]:
    """Searches for some records by what is derived of them."""
    some = random.sample(sorted(states), min(50, len(states)))
    if not some:
        return []
    vectors = np.stack([vector_of(each, states[each].version) for each in some])
    results = client.search_batch(ALIAS, vectors, limit=1, exact=True)
    wrong = [f"{each} is not found" for each, hits in zip(some, results, strict=True) if list(hits.ids) != [each]]
    for each in some[:5]:
        version = states[each].version
        there = sum(state.version == version for state in states.values())
        if (counted := client.count(ALIAS, filter=f"v = {version}")) != there:
            wrong.append(f"a filter counts {counted} records of version {version}, there are {there}")
    return wrong
