"""Changing payloads: what is right is changed, each item that is not says why."""

import asyncio
import json

from frostline.server.api import convert
from frostline.server.api.off_loop import off_loop
from frostline.server.api.record_message import check_condition, condition
from frostline.server.api.status import item_error
from frostline.server.collections.collection import Collection
from frostline.server.collections.rows.operations import PayloadPatch, Written
from frostline.server.collections.validation import check_id, check_payload
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.v1 import record_service_pb2 as pb

MOST_PATCHES = 10_000


async def patch(collection: Collection, request: pb.PatchPayloadsRequest) -> pb.PatchPayloadsResponse:
    """Changes payloads.

    Args:
        collection: holds the records.
        request: the changes.

    Raises:
        InvalidInput: the request as a whole is not right.
    """
    convert.at_most(len(request.patches), MOST_PATCHES, "patches")
    patches, errors = await off_loop(request, len(request.patches), lambda: _read(request))
    written = Written(0, collection.sequence)
    if patches:
        written = await asyncio.wrap_future(collection.patch(list(patches.values()), request.request_id))
    positions = list(patches)
    errors |= {positions[place]: error for place, error in written.errors.items()}
    return pb.PatchPayloadsResponse(
        patched_count=written.count,
        errors=[item_error(index, error) for index, error in sorted(errors.items())],
        sequence=written.sequence,
    )


def _read(request: pb.PatchPayloadsRequest) -> tuple[dict[int, PayloadPatch], dict[int, FrostlineError]]:
    patches: dict[int, PayloadPatch] = {}
    errors: dict[int, FrostlineError] = {}
    for index, message in enumerate(request.patches):
        try:
            patches[index] = _patch(message)
        except FrostlineError as error:
            errors[index] = error
    return patches, errors


def _patch(message: pb.PayloadPatch) -> PayloadPatch:
    check_id(message.id)
    check_condition(message)
    expected = condition(message)
    if expected == 0:
        raise InvalidInput("expected_sequence is 0, for a record that does not exist; a patch changes one that does")
    if not message.patch:
        raise InvalidInput("the patch is empty; give a JSON object, {} to change nothing")
    check_payload(message.patch)
    return PayloadPatch(message.id, json.loads(message.patch), expected)
