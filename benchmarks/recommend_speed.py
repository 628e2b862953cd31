"""What a recommendation takes among 100,000 items and 1,000,000 interactions, and how soon new ones count."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

import numpy as np

import recommend_data
from frostline.client import Client, Interaction, Strategy
from ranking import K
from recommend_data import FIELDS, LIKE, Histories
from recommend_items import LEARNING_SECONDS
from server_process import ServerProcess
from timing import Rows, spread

_NAME = "large"
_WARM_UP, _CALLS, _ROUNDS, _TURNS = 50, 400, 5, 20
_RATE, _BATCH = 1_000, 100
_PATIENCE_SECONDS = 30.0


def measure(
    client: Client, server: ServerProcess, rows: Rows, items: int = 100_000, interactions: int = 1_000_000
) -> None:
    """Times calls for known users, alone and while interactions are recorded; then what is new."""
    found = recommend_data.histories(items, interactions)
    _fill(client, found, rows)
    users = np.random.default_rng(22).choice(np.unique(found.users), _WARM_UP + _CALLS).tolist()
    for user in users[:_WARM_UP]:
        _ask(client, user)
    print(f"memory: {server.resident_bytes() >> 20} MiB resident, {server.anonymous_bytes() >> 20} MiB of no file")
    rows.add({"resident_bytes": server.resident_bytes(), "anonymous_bytes": server.anonymous_bytes()})
    figures: dict[str, list[list[float]]] = {"alone": [], "while recording": []}
    for turn in range(_ROUNDS):
        figures["alone"].append(_timed_calls(client, users[_WARM_UP:], "alone", turn, rows))
        with _Recording(server.target, found) as recording:
            figures["while recording"].append(_timed_calls(client, users[_WARM_UP:], "while recording", turn, rows))
        rows.add({"turn": turn, "recorded_per_second": round(recording.rate, 1)})
        print(f"recorded {recording.rate:.0f} interactions/s")
    for side, rounds in figures.items():
        half, most = (spread([1000 * float(np.percentile(each, q)) for each in rounds]) for q in (50, 95))
        print(f"{side}: p50 {half} ms, p95 {most} ms")
    _visibility(client, found, users, rows)
    print(
        f"memory at the end: {server.resident_bytes() >> 20} MiB resident, {server.anonymous_bytes() >> 20} of no file"
    )
    rows.add({"resident_bytes": server.resident_bytes(), "anonymous_bytes": server.anonymous_bytes()})


def _fill(client: Client, found: Histories, rows: Rows) -> None:
    """Writes items and interactions, and waits until all is learned from."""
    client.create_collection(_NAME, dimensions=found.vectors.shape[1], fields=FIELDS)
    ids = [f"i{item}" for item in range(len(found.vectors))]
    seconds = {"items": _seconds(lambda: client.upsert_vectors(_NAME, ids, found.vectors, found.payloads))}
    newest = time.time()
    pairs = zip(found.users.tolist(), found.items.tolist(), strict=True)
    all_of_them = (
        Interaction(f"u{user}", f"i{item}", time=newest - 60 * (len(found.users) - place), kind=LIKE)
        for place, (user, item) in enumerate(pairs)
    )
    start = time.perf_counter()
    recorded = client.record_interactions(_NAME, all_of_them, batch_size=10_000)
    seconds["interactions"] = time.perf_counter() - start
    seconds["learning"] = _seconds(
        lambda: client.recommend(
            _NAME, user="u0", min_learned_sequence=recorded.sequence, timeout_seconds=LEARNING_SECONDS
        )
    )
    rows.add({"items": len(ids), "interactions": recorded.count, "seconds": seconds})
    print(f"{len(ids)} items, {recorded.count} interactions; seconds: {seconds}")


def _ask(client: Client, user: int, strategy: Strategy = Strategy.AUTO) -> list[str]:
    return client.recommend(_NAME, user=f"u{user}", strategy=strategy, limit=K, include_payloads=False).ids


def _timed_calls(client: Client, users: list[int], side: str, turn: int, rows: Rows) -> list[float]:
    """Seconds of each call."""
    seconds = [_seconds(lambda user=user: _ask(client, user)) for user in users]  # type: ignore[misc]
    half, most = np.percentile(seconds, [50, 95])
    rows.add({"side": side, "turn": turn, "p50_seconds": round(float(half), 5), "p95_seconds": round(float(most), 5)})
    return seconds


class _Recording:
    """A process that records 1,000 interactions a second in batches of 100, from entering to leaving."""

    rate: float = 0.0

    def __init__(self, target: str, found: Histories) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._stop = spawn.Event()
        self._ours, theirs = spawn.Pipe()
        counts = (int(found.users.max()) + 1, len(found.vectors))
        self._process = spawn.Process(target=_record, args=(target, counts, self._stop, theirs), daemon=True)

    def __enter__(self) -> "_Recording":
        self._process.start()
        self._ours.recv()  # it has begun
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.rate = self._ours.recv()
        self._process.join()


def _record(target: str, counts: tuple[int, int], stop: Event, pipe: Connection) -> None:
    """Records batch after batch, each when its time has come; says at the end how many a second were acknowledged."""
    draw = np.random.default_rng(time.time_ns())
    users, items = counts
    done = 0
    with Client(target) as client:
        start = time.perf_counter()
        while not stop.is_set():
            pairs = zip(draw.integers(0, users, _BATCH).tolist(), draw.integers(0, items, _BATCH).tolist(), strict=True)
            done += client.record_interactions(
                _NAME, [Interaction(f"u{user}", f"i{item}", kind="view") for user, item in pairs]
            ).count
            if done == _BATCH:
                pipe.send("begun")
            time.sleep(max(0.0, start + done / _RATE - time.perf_counter()))
        pipe.send(done / (time.perf_counter() - start))


def _visibility(client: Client, found: Histories, users: list[int], rows: Rows) -> None:
    """Seconds from sending something new to the first answer that knows it, asked for again and again."""
    seconds: dict[str, list[float]] = {"new item": [], "new interaction": []}
    for turn, user in enumerate(users[:_TURNS]):
        id, filter = f"new{turn}", f"year = {3000 + turn}"
        start = time.perf_counter()
        payload = {"year": 3000 + turn, "genres": ["g1"]}
        client.upsert_vectors(_NAME, [id], found.vectors[turn : turn + 1], [payload])
        seconds["new item"].append(_until(start, lambda: id in _filtered(client, user, filter)))  # noqa: B023 (called at once)
        first = _ask(client, user)[0]
        start = time.perf_counter()
        client.record_interactions(_NAME, [Interaction(f"u{user}", first, kind=LIKE)])
        seconds["new interaction"].append(_until(start, lambda: first not in _ask(client, user)))  # noqa: B023 (called at once)
    for side, each in seconds.items():
        rows.add({"side": f"{side} visible", "seconds": [round(one, 4) for one in each]})
        print(f"{side} visible after {spread(each)} s, at most {max(each):.3f}")


def _filtered(client: Client, user: int, filter: str) -> list[str]:
    return client.recommend(_NAME, user=f"u{user}", filter=filter, limit=K, include_payloads=False).ids


def _until(start: float, holds: Callable[[], bool]) -> float:
    while not holds():
        if time.perf_counter() - start > _PATIENCE_SECONDS:
            raise SystemExit(f"not visible within {_PATIENCE_SECONDS:.0f} s")
    return time.perf_counter() - start


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
