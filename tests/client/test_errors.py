import pickle

import grpc
import pytest

from fake_calls import Code, fails, stalls
from fake_server import FakeServer
from frostline.client import (
    AlreadyExists,
    Client,
    Conflict,
    DataDamaged,
    DeadlineExceeded,
    FailedPrecondition,
    FrostlineError,
    Internal,
    InUse,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    Retry,
    SpaceMismatch,
    StorageFull,
    Unavailable,
)
from frostline.wire.reasons import Reason

BY_REASON = {
    Reason.INVALID_INPUT: (Code.INVALID_ARGUMENT, InvalidInput),
    Reason.NOT_FOUND: (Code.NOT_FOUND, NotFound),
    Reason.ALREADY_EXISTS: (Code.ALREADY_EXISTS, AlreadyExists),
    Reason.CONFLICT: (Code.ABORTED, Conflict),
    Reason.SPACE_MISMATCH: (Code.FAILED_PRECONDITION, SpaceMismatch),
    Reason.IN_USE: (Code.FAILED_PRECONDITION, InUse),
    Reason.NOT_READY: (Code.FAILED_PRECONDITION, FailedPrecondition),
    Reason.PERMISSION_DENIED: (Code.PERMISSION_DENIED, PermissionDenied),
    Reason.OVERLOADED: (Code.RESOURCE_EXHAUSTED, Overloaded),
    Reason.STORAGE_FULL: (Code.RESOURCE_EXHAUSTED, StorageFull),
    Reason.MESSAGE_TOO_LARGE: (Code.RESOURCE_EXHAUSTED, InvalidInput),
    Reason.SHUTTING_DOWN: (Code.UNAVAILABLE, Unavailable),
    Reason.DEADLINE_EXCEEDED: (Code.DEADLINE_EXCEEDED, DeadlineExceeded),
    Reason.DATA_DAMAGED: (Code.DATA_LOSS, DataDamaged),
    Reason.SOURCE_UNREACHABLE: (Code.FAILED_PRECONDITION, FailedPrecondition),
    Reason.INTERNAL: (Code.INTERNAL, Internal),
}
ONCE = Retry(attempts=1)


def error_of(fake: FakeServer, fault) -> FrostlineError:
    fake.faults["CountRecords"].append(fault)
    with Client(fake.target, retry=ONCE) as client, pytest.raises(FrostlineError) as caught:
        client.count("notes")
    return caught.value


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_has_its_exception(fake, reason):
    code, kind = BY_REASON[reason]
    error = error_of(fake, fails(code, "what and why", reason))
    assert type(error) is kind
    assert (str(error), error.reason, error.code) == ("what and why", reason, code)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.INVALID_ARGUMENT, InvalidInput),
        (Code.ABORTED, Conflict),
        (Code.UNAUTHENTICATED, PermissionDenied),
        (Code.FAILED_PRECONDITION, FailedPrecondition),
        (Code.DATA_LOSS, DataDamaged),
        (Code.UNKNOWN, Internal),
        (Code.UNIMPLEMENTED, Internal),
    ],
)
def test_an_unknown_reason_or_none_goes_by_the_code(fake, code, kind):
    assert type(error_of(fake, fails(code, reason="SOMETHING_NEW"))) is kind
    error = error_of(fake, fails(code))
    assert type(error) is kind
    assert error.code is code
    assert fake.target in str(error)


def test_the_retry_hint_and_the_log_id_arrive(fake):
    error = error_of(fake, fails(Code.RESOURCE_EXHAUSTED, "full", Reason.OVERLOADED, hint=2.5))
    assert error.retry_after_seconds == 2.5
    error = error_of(fake, fails(Code.INTERNAL, "log id log-7", Reason.INTERNAL))
    assert (error.log_id, error.retry_after_seconds) == ("log-7", None)


def test_a_trailer_that_cannot_be_read_does_not_hide_the_error(fake):
    def damaged(context):
        context.set_trailing_metadata((("frostline-error-bin", b"\xff\xff\xff"),))
        context.abort(Code.NOT_FOUND, "not here")

    assert type(error_of(fake, damaged)) is NotFound


def test_a_refused_connection_names_the_target_and_how_to_start_a_server():
    with Client("localhost:1", retry=ONCE) as client, pytest.raises(Unavailable) as caught:
        client.list_encoders()
    assert "localhost:1" in str(caught.value)
    assert "frostline serve" in str(caught.value)


def test_a_late_answer_names_the_target_and_the_time(fake):
    fake.faults["CountRecords"].append(stalls(2.0))
    with Client(fake.target) as client, pytest.raises(DeadlineExceeded, match=r"within 0\.1 s") as caught:
        client.count("notes", timeout_seconds=0.1)
    assert fake.target in str(caught.value)


def test_a_message_above_the_servers_limit_is_an_invalid_input(fake, client):
    with pytest.raises(InvalidInput) as caught:
        client.embed([b"x" * (5 * 1024 * 1024)], "tiny")
    assert caught.value.reason == Reason.MESSAGE_TOO_LARGE
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_errors_can_be_pickled():
    error = pickle.loads(pickle.dumps(Overloaded("full", retry_after_seconds=1.0)))
    assert (type(error), str(error), error.retry_after_seconds) == (Overloaded, "full", 1.0)


@pytest.mark.parametrize("target", ["localhost", "http://localhost:50051", "https://host:1/path"])
def test_a_target_that_is_no_host_and_port_is_refused(target):
    with pytest.raises(InvalidInput, match="localhost:50051"):
        Client(target)


@pytest.mark.parametrize("port", ["0", "65536", "99999999"])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(InvalidInput, match=rf"port {port} of target 'localhost:{port}' is none; .* 65535"):
        Client(f"localhost:{port}")


@pytest.mark.parametrize("target", ["[::1]:65535", "dns:///localhost:1", "unix:/tmp/a:70000"])
def test_other_names_that_grpc_resolves_are_taken(target):
    Client(target).close()


def test_a_closed_client_says_so(fake):
    client = Client(fake.target)
    client.close()
    with pytest.raises(InvalidInput, match="closed"):
        client.count("notes")
    with pytest.raises(InvalidInput, match="closed"):
        list(client.upsert_batches("notes", [[]]))
    with pytest.raises(InvalidInput, match="closed"):
        list(client.optimize("notes"))
