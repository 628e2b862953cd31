"""Lists come in pages, and whatever a caller sends as a page token is refused as an invalid argument."""

import base64
import json

import grpc
import pytest

from frostline.server.api.pages import Page
from frostline.v1 import collection_service_pb2 as c
from frostline.v1 import encoder_service_pb2 as e
from frostline.v1 import record_service_pb2 as r
from frostline.v1 import snapshot_service_pb2 as s
from raw import create_request, record, refused, upsert_request

NOTES = "collections/notes"
LISTS = {
    "ListCollections": (c.ListCollectionsRequest(), "collections"),
    "ListAliases": (c.ListAliasesRequest(), "aliases"),
    "ListSnapshots": (s.ListSnapshotsRequest(), "snapshots"),
    "ListEncoders": (e.ListEncodersRequest(), "encoders"),
    "ListRecords": (r.ListRecordsRequest(collection=NOTES), "records"),
}


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


def crafted(request):
    """Tokens with the right digest and a position that no page has."""
    digest = json.loads(base64.urlsafe_b64decode(Page(request, 0).token(0)))[1]
    for position in (10**30, -1, True, None, 1.5, [], {}, "" if isinstance(request, r.ListRecordsRequest) else 0):
        yield encoded(json.dumps([position, digest]))
    yield encoded(f'["{"x" * 10_000}", "{digest}"]')


GARBAGE = [
    "x",
    "nonsense",
    "ä€",
    "\x00",
    "====",
    encoded("null"),
    encoded("7"),
    encoded('{"a": 1, "b": 2}'),
    encoded("[1]"),
    encoded("[1, 2, 3]"),
    encoded('["a", "b"]'),
    encoded("[" * 2_000),
    encoded("[" * 50_000),
    encoded("9" * 2_500),
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
]


@pytest.fixture
async def calls(server):
    for name in ("notes", "other", "third"):
        await server.calls.CreateCollection(create_request(name, dimensions=3))
        await server.calls.SetAlias(c.SetAliasRequest(alias_id=f"{name}-alias", collection=f"collections/{name}"))
        await server.calls.CreateSnapshot(s.CreateSnapshotRequest(collection=f"collections/{name}"))
    await server.calls.UpsertRecords(upsert_request(*(record(f"r{n}", vector=[1, 2, 3]) for n in range(3))))
    return server.calls


@pytest.mark.parametrize("method", LISTS)
async def test_pages_put_together_are_the_list(calls, method):
    empty, items = LISTS[method]
    whole = list(getattr(await getattr(calls, method)(empty), items))
    assert len(whole) == (2 if method == "ListEncoders" else 3)
    request, pages = type(empty)(), []
    request.CopyFrom(empty)
    request.page_size = 1
    while request.page_token or not pages:
        answer = await getattr(calls, method)(request)
        pages.append(list(getattr(answer, items)))
        request.page_token = answer.next_page_token
    assert [each for page in pages for each in page] == whole
    assert all(len(page) <= 1 for page in pages)


@pytest.mark.parametrize("method", LISTS)
async def test_tokens_that_were_made_up_are_refused(calls, method):
    empty, _ = LISTS[method]
    for token in [*GARBAGE, *crafted(empty)]:
        request = type(empty)()
        request.CopyFrom(empty)
        request.page_token = token
        error = await refused(getattr(calls, method)(request))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, token[:60]
        assert "page_token" in error.details()


async def test_a_token_is_good_for_its_own_list_only(calls):
    given = (await calls.ListSnapshots(s.ListSnapshotsRequest(page_size=1))).next_page_token
    for request in (s.ListSnapshotsRequest(collection=NOTES, page_token=given), c.ListAliasesRequest(page_token=given)):
        method = calls.ListSnapshots if isinstance(request, s.ListSnapshotsRequest) else calls.ListAliases
        error = await refused(method(request))
        assert "belongs to another request" in error.details()


@pytest.mark.parametrize("method", LISTS)
async def test_page_sizes_have_a_range(calls, method):
    empty, _ = LISTS[method]
    for size in (-1, 1001):
        request = type(empty)(page_size=size)
        if method == "ListRecords":
            request.collection = NOTES
        error = await refused(getattr(calls, method)(request))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert f"page_size {size}" in error.details()
