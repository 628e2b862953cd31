"""The same steps through both doors give the same results."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from fake_calls import Code, fails
from fake_server import FakeServer, fake_server
from frostline.client import (
    AsyncClient,
    Client,
    Combination,
    Example,
    FrostlineError,
    Hits,
    Interaction,
    LabelledRecords,
    Part,
    Predictions,
    Record,
    RecordId,
    Retry,
    Weighted,
)
from frostline.wire.reasons import Reason

QUICK = Retry(initial_seconds=0.001, maximum_seconds=0.002)
NOTES = [Record(str(i), text=f"note {i}", payload={"i": i, "ü": "ß"}) for i in range(5)]
CREATED = ("create_collection", ("notes",), {"encoder": "tiny", "document_prompt": "", "query_prompt": "q: "})
WRITTEN = ("upsert", ("notes", NOTES), {"batch_size": 2})
EYE = np.eye(4, dtype=np.float32)
GONE = fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)
FULL = fails(Code.RESOURCE_EXHAUSTED, "full", Reason.OVERLOADED)
SOON = fails(Code.RESOURCE_EXHAUSTED, "full", Reason.OVERLOADED, hint=0.001)

EXAMPLES = [Example(text="miaow", label="cat"), Example(vector=EYE[0], label="dog"), Example(text="purr", label="cat")]
LABELLED = [Example(text="miaow", label="cat"), Example(text="woof", label="dog")]
TRAINED = ("train_head", ("pets", EXAMPLES), {"encoder": "tiny"})

DONE = [Interaction(user, record, time=3.0) for user in "uv" for record in ("1", "2", "none")] + [
    Interaction("u", "1", weight=-2.0, time=1.0, kind="view")
]

Step = tuple[str, tuple[Any, ...], dict[str, Any]]
SCENARIOS: dict[str, list[Step]] = {
    "embed": [("embed", (["a", "bad", "b c"], "tiny"), {"prompt": "query"})],
    "embed in batches": [("embed", ([*"abcdefghij", "bad"], "tiny"), {"batch_size": 2, "dtype": "int8"})],
    "embed vectors": [("embed", (EYE, "tiny"), {"batch_size": 3, "dtype": "binary"})],
    "embed nothing": [("embed", ([], "tiny"), {})],
    "embed a single text": [("embed", ("text", "tiny"), {})],
    "embed a number": [("embed", (["text", 7], "tiny"), {})],
    "embed with an unknown dtype": [("embed", (["text"], "tiny"), {"dtype": "float8"})],
    "embed by an unknown encoder": [("embed", (["text"], "large"), {})],
    "encoders": [
        ("list_encoders", (), {}),
        ("get_encoder", ("tiny",), {}),
        ("get_encoder", ("large",), {}),
        ("verify_encoder", ("tiny",), {}),
        ("delete_encoder", ("tiny",), {}),
    ],
    "add an encoder from the hub": [("add_encoder", ("new",), {"hub": "org/name"}), ("list_encoders", (), {})],
    "add an encoder that exists": [("add_encoder", ("tiny",), {"hub": "org/name"})],
    "add an encoder from nowhere": [("add_encoder", ("new",), {})],
    "collections": [
        CREATED,
        ("create_collection", ("plain",), {"dimensions": 4, "metric": "dot", "keep_content": False}),
        ("create_collection", ("other",), {"dimensions": 4, "normalize": True}),
        ("list_collections", (), {}),
        ("update_collection", ("notes",), {"query_prompt": ""}),
        ("update_collection", ("notes",), {"description": "mine"}),
        ("get_collection", ("notes",), {}),
        ("delete_collection", ("notes",), {}),
        ("get_collection", ("notes",), {}),
    ],
    "names": [
        CREATED,
        ("set_alias", ("live", "notes"), {}),
        ("list_aliases", (), {}),
        ("get_collection", ("live",), {}),
        ("delete_alias", ("live",), {}),
        ("delete_alias", ("live",), {}),
        ("rename_collection", ("notes", "other"), {}),
        ("get_collection", ("notes",), {}),
    ],
    "stats": [
        CREATED,
        ("collection_stats", ("notes",), {}),
        ("optimize", ("notes",), {}),
        ("optimize", ("none",), {}),
    ],
    "snapshots": [
        CREATED,
        ("create_snapshot", ("notes",), {}),
        ("list_snapshots", (), {}),
        ("list_snapshots", ("none",), {}),
        ("restore_snapshot", ("s0", "again"), {}),
        ("delete_snapshot", ("s0",), {}),
        ("delete_snapshot", ("s0",), {}),
    ],
    "records": [
        CREATED,
        WRITTEN,
        ("count", ("notes",), {}),
        ("get", ("notes", ["3", "none", "1"]), {"include_vectors": True, "include_content": True}),
        ("list_records", ("notes",), {"include_vectors": True}),
        ("delete", ("notes", ["1", "none"]), {}),
        ("delete", ("notes",), {}),
        ("delete", ("notes",), {"filter": "i < $i", "parameters": {"i": 2}}),
        ("patch_payloads", ("notes", {"3": {"i": None}, "none": {}}), {}),
        ("facets", ("notes", "i"), {"limit": 2}),
        ("count", ("notes",), {}),
    ],
    "refused records": [
        CREATED,
        ("upsert", ("notes", [Record("a", text="bad"), *NOTES, Record("z", text="bad")]), {"batch_size": 3}),
        ("upsert", ("notes", [Record("a", payload={"x": float("nan")})]), {}),
        ("upsert", ("unknown", NOTES), {}),
        ("upsert", ("unknown", NOTES), {"batch_size": 1}),
    ],
    "batches": [
        CREATED,
        ("upsert_batches", ("notes", [NOTES[:2], [], [*NOTES[2:], Record("b", text="bad")]]), {}),
    ],
    "vectors": [
        CREATED,
        ("upsert_vectors", ("notes", [*"abcd"], EYE, [{"n": n} for n in range(4)]), {"batch_size": 3}),
        ("upsert_vectors", ("notes", [*"abc"], EYE), {}),
        ("search", ("notes", EYE[2]), {"limit": 2}),
    ],
    "search": [
        CREATED,
        WRITTEN,
        ("search", ("notes", "note 3"), {"limit": 3}),
        ("search", ("notes", RecordId("3")), {"include_payloads": False}),
        ("search", ("notes", "bad"), {}),
        ("search", ("notes", "x"), {"limit": 0}),
        ("search", ("notes", "x"), {"filter": "i < 3", "group_by": "i", "explain": True, "offset": 1}),
        ("search", ("notes", Combination([Part(text="a"), Part(record="3", weight=-1.0)])), {"mode": "hybrid"}),
        ("search_batch", ("notes", ["note 1", "bad", EYE[0], RecordId("2")]), {"limit": 2}),
        ("search_batch", ("notes", EYE), {"limit": 1}),
        ("search_batch", ("notes", []), {}),
    ],
    "heads": [
        TRAINED,
        ("train_head", ("other",), {"vectors": EYE, "labels": [*"abab"], "wait": False}),
        ("list_heads", (), {}),
        ("cancel_head", ("other",), {}),
        ("cancel_head", ("other",), {}),
        ("get_head", ("other",), {}),
        ("update_head", ("pets", [Example(text="hoo", label="owl")], EXAMPLES[:1]), {"removed_classes": ["dog"]}),
        ("rollback_head", ("pets",), {}),
        ("rollback_head", ("pets",), {}),
        ("merge_heads", ("all", ["pets", "other", b"PK"]), {}),
        ("evaluate_head", ("pets", EXAMPLES), {"records": LabelledRecords("notes", "i", "i < 3")}),
        ("delete_head", ("pets",), {}),
        ("delete_head", ("pets",), {}),
    ],
    "a head from nothing": [("train_head", ("pets", [Example(label="cat")]), {}), ("train_head", ("pets", EYE), {})],
    "predictions": [
        TRAINED,
        ("predict", ("pets", ["a", "bad", "is it?", "ab"]), {"limit": 2, "batch_size": 2}),
        ("predict", ("pets", EYE), {}),
        ("predict", ("pets", []), {}),
        ("predict", ("pets", "alone"), {}),
        ("predict", ("none", ["a"]), {}),
    ],
    "questions": [
        TRAINED,
        ("predict_records", ("pets", "notes", "kind"), {"probability_field": "sure"}),
        ("compare_encoders", (LABELLED,), {"layers": ["pooled"]}),
        ("comparison_cost", (LABELLED,), {}),
        ("measure_transfer", (LABELLED,), {"encoder": "tiny"}),
        ("transfer_cost", (LABELLED,), {"encoder": "tiny"}),
        ("measure_drift", ("pets", ["a", "b"]), {"limit": 3}),
        ("audit_labels", ("pets",), {"limit": 7}),
        ("suggest_labels", ("pets", ["a", "b"]), {"count": 2}),
        ("suggest_labels", ("pets", ["a"]), {"strategy": "luck"}),
    ],
    "interactions": [
        ("record_interactions", ("notes", DONE), {"batch_size": 2}),
        ("record_interactions", ("notes", DONE[:1]), {}),
        ("record_interactions", ("notes", [Interaction("u", "1", weight=float("nan"))]), {}),
        ("record_interactions", ("notes", []), {}),
        ("list_interactions", ("notes",), {}),
        ("list_interactions", ("notes",), {"user": "u"}),
        ("count_interactions", ("notes",), {"user": "u"}),
        ("delete_interactions", ("notes",), {"user": "u", "kinds": ["view"]}),
        ("delete_interactions", ("notes",), {"end": 2.0}),
        ("delete_user", ("notes", "u"), {}),
        ("count_interactions", ("notes",), {}),
    ],
    "recommendations": [
        CREATED,
        WRITTEN,
        ("record_interactions", ("notes", DONE), {}),
        ("recommend", ("notes",), {}),
        ("recommend", ("notes",), {"user": "u", "explain": True, "group_by": "i", "strategy": "ease"}),
        ("recommend", ("notes",), {"positives": ["3", Weighted(text="b", weight=0.5)], "negatives": ["0"], "limit": 2}),
        ("recommend", ("notes",), {"profile": "likes notes", "filter": "i > 9"}),
        ("recommend", ("notes",), {"positives": ["none"]}),
        ("recommend", ("notes",), {"strategy": "luck"}),
        ("recommend", ("notes",), {"limit": 0}),
        ("recommend", ("unknown",), {}),
    ],
    "an export": [TRAINED, ("export_head", ("pets", "/dev/full/head.zip"), {}), ("export_head", ("pets", ""), {})],
}
FAULTS = {
    "nothing": {},
    "a call refused once": {"Embed": [GONE], "UpsertRecords": [GONE], "ListRecords": [GONE]},
    "a search refused once": {"SearchRecords": [GONE], "StreamSearchRecords": [GONE]},
    "overload with a hint": {"Embed": [SOON], "CreateCollection": [SOON, SOON], "EmbedStream": [SOON]},
    "overload without a hint": {"Embed": [FULL], "EmbedStream": [FULL], "StreamUpsertRecords": [FULL]},
    "a training refused once": {"CreateHead": [GONE], "WatchHead": [GONE], "Predict": [GONE], "EvaluateHead": [SOON]},
    "a recording refused once": {"StreamRecordInteractions": [GONE], "ListInteractions": [SOON], "DeleteUser": [GONE]},
    "a recommendation refused": {"Recommend": [GONE, SOON, FULL]},
    "no server for long": {"Embed": [GONE] * 9, "EmbedStream": [GONE] * 9, "StreamUpsertRecords": [GONE] * 9},
}
BREAKS = {
    "EmbedStream": [1, 0, 2],
    "StreamUpsertRecords": [1, 0, 2],
    "StreamSearchRecords": [1, 0],
    "StreamRecordInteractions": [1, 0, 2],
    "WatchHead": [1, 0],
}


def plain(result: Any) -> Any:
    if isinstance(result, Exception):
        assert isinstance(result, FrostlineError), repr(result)
        return type(result).__name__, str(result), result.reason, result.code, result.retry_after_seconds
    if isinstance(result, np.ndarray):
        return result.shape, result.dtype.name, result.tolist()
    if is_dataclass(result):
        return type(result).__name__, {f.name: plain(getattr(result, f.name)) for f in fields(result)}
    if isinstance(result, dict):
        return {key: plain(value) for key, value in result.items()}
    if isinstance(result, Hits):
        return [plain(hit) for hit in result], plain(result.explanation), result.recall, result.sequence
    if isinstance(result, Predictions):
        return (
            [plain(one) for one in result],
            plain(result.errors),
            result.labels,
            result.version,
            plain(result.timings),
        )
    if isinstance(result, (list, tuple)):
        return [plain(value) for value in result]
    return result


def blocking(fake: FakeServer, steps: list[Step]) -> list[Any]:
    results = []
    with Client(fake.target, retry=QUICK) as client:
        for method, args, kwargs in steps:
            try:
                result = getattr(client, method)(*args, **kwargs)
                results.append(plain(list(result) if isinstance(result, Iterator) else result))
            except Exception as error:
                results.append(plain(error))
    return results


async def asynchronous(fake: FakeServer, steps: list[Step]) -> list[Any]:
    results = []
    async with AsyncClient(fake.target, retry=QUICK) as client:
        for method, args, kwargs in steps:
            try:
                result = getattr(client, method)(*args, **kwargs)
                if isinstance(result, AsyncIterator):
                    results.append(plain([item async for item in result]))
                else:
                    results.append(plain(await result))
            except Exception as error:
                results.append(plain(error))
    return results


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_both_doors_give_the_same_results(name, faults):
    await compare_doors(name, faults, {})


@pytest.mark.parametrize("name", SCENARIOS)
async def test_both_doors_give_the_same_results_when_streams_break(name):
    await compare_doors(name, "nothing", BREAKS)


@pytest.mark.full
@pytest.mark.parametrize("faults", sorted(FAULTS.keys() - {"nothing"}))
@pytest.mark.parametrize("name", SCENARIOS)
async def test_both_doors_give_the_same_results_when_streams_break_between_faults(name, faults):
    await compare_doors(name, faults, BREAKS)


async def compare_doors(name, faults, breaks):
    seen = []
    for door in (blocking, asynchronous):
        with fake_server() as fake:
            for method, script in FAULTS[faults].items():
                fake.faults[method].extend(script)
            for method, script in breaks.items():
                fake.breaks[method].extend(script)
            results = door(fake, SCENARIOS[name])
            results = await results if door is asynchronous else results
            seen.append(repr(results).replace(fake.target, "TARGET"))
            seen.append(repr([sorted(ids) for ids in fake.written]))
    assert seen[:2] == seen[2:]


def test_every_method_is_in_a_scenario():
    called = {step[0] for steps in SCENARIOS.values() for step in steps}
    assert called == {name for name in dir(Client) if not name.startswith("_")} - {"close"}
