import json
from pathlib import Path

import pytest

import tiny
from frostline.client import AlreadyExists, Client, Record, Unavailable
from frostline.indexer import (
    AllRejected,
    BadSource,
    IndexingError,
    IndexOptions,
    JobChanged,
    JobStopped,
    Progress,
    Summary,
    index,
)
from frostline.indexer.checkpoint import CHECKPOINT, REJECTED
from memory_client import Killed, MemoryClient
from serving import running_server

ROWS = 100


@pytest.fixture
def source(tmp_path):
    """100 rows, every tenth of which is bad in one of several ways."""
    lines = []
    for number in range(1, ROWS + 1):
        row = {"id": f"r{number}", "text": f"text {number}", "n": number}
        bad = {10: '{"id": "r10"', 30: '{"id": "r30"}', 50: '{"id": "r50", "text": 5}', 70: "[]", 90: '{"text": "x"}'}
        lines.append(bad.get(number) or json.dumps(row))
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def options(tmp_path, **changes):
    given = {"collection": "notes", "encoder": "tiny", "id_field": "id", "work_dir": tmp_path / "work"}
    return IndexOptions(**{"batch_size": 7, **given, **changes})


def rejected(tmp_path) -> list[dict[str, object]]:
    path = tmp_path / "work" / REJECTED
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(client, source, chosen, on_progress=None) -> Summary:
    return index(client, str(source), chosen, on_progress)


def uninterrupted(tmp_path, source, refused=()):
    client = MemoryClient(refused=refused)
    summary = run(client, source, options(tmp_path, work_dir=tmp_path / "whole"))
    return client.records, summary, (tmp_path / "whole" / REJECTED).read_text()


def test_all_good_rows_arrive_and_bad_ones_are_listed_with_reasons(tmp_path, source):
    client = MemoryClient(refused={"r20", "r77"})
    summary = run(client, source, options(tmp_path))
    assert list(client.records) == [f"r{n}" for n in range(1, 101) if n not in (10, 20, 30, 50, 70, 77, 90)]
    assert client.records["r3"] == Record("r3", text="text 3", payload={"n": 3})
    assert (summary.rows, summary.indexed, summary.rejected, summary.resumed) == (100, 93, 7, 0)
    assert summary.rejected_path == tmp_path / "work" / REJECTED
    assert [(row["row"], row["id"], row["reason"]) for row in rejected(tmp_path)] == [
        (10, "", "INVALID_JSON"),
        (20, "r20", "INVALID_INPUT"),
        (30, "r30", "MISSING_FIELD"),
        (50, "r50", "WRONG_TYPE"),
        (70, "", "WRONG_TYPE"),
        (77, "r77", "INVALID_INPUT"),
        (90, "", "MISSING_FIELD"),
    ]
    assert rejected(tmp_path)[1]["message"] == "r20 is refused; leave it out"
    assert not (tmp_path / "work" / CHECKPOINT).exists()


def test_a_job_without_bad_rows_leaves_no_files(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text('{"text": "a"}\n\n{"text": "b"}')
    client = MemoryClient()
    summary = run(client, source, options(tmp_path, id_field=""))
    assert list(client.records) == ["rows.jsonl:1", "rows.jsonl:3"]
    assert (summary.rows, summary.rejected, summary.rejected_path) == (2, 0, None)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("batches", [0, 1, 6, 14])
@pytest.mark.parametrize("how", ["dies_after", "fails_after"])
def test_an_interrupted_job_ends_as_an_uninterrupted_one(tmp_path, source, how, batches):
    refused = {"r20", "r77"}
    expected, whole, listed = uninterrupted(tmp_path, source, refused)
    client = MemoryClient(refused=refused, **{how: batches})
    with pytest.raises((Killed, JobStopped)):
        run(client, source, options(tmp_path))
    client.fails_after = client.dies_after = None
    before = len(client.batches)
    summary = run(client, source, options(tmp_path))
    assert client.records == expected
    assert (summary.rows, summary.rejected) == (whole.rows, whole.rejected)
    assert summary.indexed + summary.unchanged == whole.indexed  # what was in flight is stored already
    assert (tmp_path / "work" / REJECTED).read_text() == listed
    assert summary.resumed == 7 * before
    assert sum(map(len, client.batches[before:])) < ROWS - 7 * before + 1  # nothing acknowledged is sent again


def test_rejected_rows_are_not_listed_twice_when_the_process_ends_between_list_and_checkpoint(tmp_path, source):
    expected, _, listed = uninterrupted(tmp_path, source)
    client = MemoryClient(dies_after=5)
    with pytest.raises(Killed):
        run(client, source, options(tmp_path))
    with (tmp_path / "work" / REJECTED).open("a") as file:
        file.write('{"row": 50, "id": "r50", "reason": "WRO')  # half a line of a batch that the checkpoint lacks
    client.dies_after = None
    run(client, source, options(tmp_path))
    assert client.records == expected
    assert (tmp_path / "work" / REJECTED).read_text() == listed


def test_a_stopped_job_says_why_where_and_how_to_go_on(tmp_path, source):
    client = MemoryClient(fails_after=3)
    with pytest.raises(JobStopped, match=r"stopped after 21 rows: localhost:1 does not answer.*same command") as raised:
        run(client, source, options(tmp_path))
    assert raised.value.reason == Unavailable.reason
    assert raised.value.code == Unavailable.code


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("source", r"size in bytes was \d+ and is \d+; modified was"),
        ("touch", r"modified was \d+ and is \d+"),
        ("options", "text field was '' and is 'other'"),
        ("payload", "payload fields was None and is 'n'"),
        ("collection", "collection's creation was '2026-01-01T00:00:00.00:00' and is '2026-01-02"),
        ("moved", "source was '.*rows.jsonl' and is '.*other.jsonl'"),
    ],
)
def test_a_job_that_changed_is_refused_until_restarted(tmp_path, source, change, says):
    client = MemoryClient(dies_after=3)
    with pytest.raises(Killed):
        run(client, source, options(tmp_path))
    client.dies_after = None
    changes = {"options": {"text_field": "other"}, "payload": {"payload_fields": ("n",)}}.get(change, {})
    if change == "source":
        source.write_text(source.read_text() + '{"id": "new", "text": "new"}\n')
    elif change == "touch":
        import os

        os.utime(source, ns=(1, 1))
    elif change == "collection":
        client.create_collection("notes", encoder="tiny")
    elif change == "moved":
        source = source.rename(tmp_path / "other.jsonl")
    with pytest.raises(JobChanged, match=says) as raised:
        run(client, source, options(tmp_path, **changes))
    assert "stopped after 21 rows" in str(raised.value)
    assert "--restart" in str(raised.value)
    summary = run(client, source, options(tmp_path, restart=True, **changes))
    assert summary.resumed == 0
    assert summary.rows == (101 if change == "source" else 100)


def test_a_limit_of_memory_or_pace_may_change_between_runs(tmp_path, source):
    expected, _, _ = uninterrupted(tmp_path, source)
    client = MemoryClient(dies_after=3)
    with pytest.raises(Killed):
        run(client, source, options(tmp_path))
    client.dies_after = None
    assert run(client, source, options(tmp_path, batch_size=50, batch_bytes=100)).resumed == 21
    assert client.records == expected


def test_a_damaged_checkpoint_is_named(tmp_path, source):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / CHECKPOINT).write_text('{"job": ')
    with pytest.raises(IndexingError, match=r"checkpoint.json cannot be read .*--restart"):
        run(MemoryClient(), source, options(tmp_path))
    assert run(MemoryClient(), source, options(tmp_path, restart=True)).rows == ROWS


@pytest.mark.parametrize("left", [b"", b"{"])
def test_a_list_of_rejected_rows_that_lost_some_is_named(tmp_path, source, left):
    client = MemoryClient(dies_after=5)
    with pytest.raises(Killed):
        run(client, source, options(tmp_path))
    client.dies_after = None
    (tmp_path / "work" / REJECTED).write_bytes(left)
    with pytest.raises(IndexingError, match=r"rejected.jsonl has \d bytes, but \d+ .* 2 rejected rows.*--restart"):
        run(client, source, options(tmp_path))
    assert run(client, source, options(tmp_path, restart=True)).rows == ROWS
    assert len(rejected(tmp_path)) == 5


def test_a_collection_that_another_job_makes_meanwhile_is_taken(tmp_path, source):
    class Raced(MemoryClient):
        def create_collection(self, name, *, encoder=""):
            super().create_collection(name, encoder=encoder)
            raise AlreadyExists(f"collection {name!r} exists")

    assert run(Raced(), source, options(tmp_path)).rows == ROWS


def test_rows_above_the_servers_message_limit_are_rejected_and_the_rest_arrives(tmp_path):
    source = tmp_path / "rows.jsonl"
    large = {3, 4, 12}
    lines = [json.dumps({"id": f"r{n}", "text": "x" * (1_200_000 if n in large else 1)}) for n in range(1, 21)]
    lines[6] = "no JSON"
    source.write_text("\n".join(lines))
    chosen = options(tmp_path, batch_size=2, batch_bytes=100_000)
    with (
        running_server(tmp_path / "data", encoders="", max_message_bytes=1 << 20) as server,
        Client(server.target) as client,
    ):
        client.add_encoder("tiny", folder=tiny.tiny_bert(tmp_path / "tiny"))
        summary = run(client, source, chosen)
        found = {record.id for record in client.list_records("notes")}
    assert (summary.rows, summary.indexed, summary.rejected) == (20, 16, 4)
    assert found == {f"r{n}" for n in range(1, 21) if n not in {*large, 7}}
    assert [(row["row"], row["id"], row["reason"]) for row in rejected(tmp_path)] == [
        (3, "r3", "MESSAGE_TOO_LARGE"),
        (4, "r4", "MESSAGE_TOO_LARGE"),
        (7, "", "INVALID_JSON"),
        (12, "r12", "MESSAGE_TOO_LARGE"),
    ]


def test_two_jobs_in_one_folder_are_refused(tmp_path, source):
    def meddle(_: Progress):
        with pytest.raises(IndexingError, match="another job works in"):
            run(MemoryClient(), source, options(tmp_path))

    assert run(MemoryClient(), source, options(tmp_path), meddle).rows == ROWS


def test_a_missing_collection_needs_an_encoder(tmp_path, source):
    client = MemoryClient()
    with pytest.raises(BadSource, match="no collection 'notes'; name an encoder"):
        run(client, source, options(tmp_path, encoder=""))
    client.create_collection("notes", encoder="tiny")
    assert run(client, source, options(tmp_path, encoder="")).rows == ROWS
    with pytest.raises(BadSource, match="has encoder 'tiny', not 'large'"):
        run(client, source, options(tmp_path, encoder="large"))


def test_a_source_that_cannot_be_opened_makes_no_collection(tmp_path):
    client = MemoryClient()
    with pytest.raises(BadSource, match="does not exist"):
        run(client, tmp_path / "gone.jsonl", options(tmp_path))
    assert client.collections == {}


def test_progress_counts_what_is_acknowledged_and_estimates_the_rest(tmp_path, source):
    seen: list[Progress] = []
    run(MemoryClient(), source, options(tmp_path), seen.append)
    assert [state.done for state in seen] == [*range(0, 99, 7), 100]
    assert seen[0] == Progress(0, None, True, 0, 0.0)
    assert all(state.estimated and state.total and 80 < state.total < 125 for state in seen[1:])
    assert seen[-1].total == ROWS
    assert seen[-1].rejected == 5
    assert seen[-1].rate > 0


def test_progress_of_a_resumed_job_begins_where_it_was(tmp_path, source):
    client = MemoryClient(dies_after=5)
    with pytest.raises(Killed):
        run(client, source, options(tmp_path))
    client.dies_after = None
    seen: list[Progress] = []
    run(client, source, options(tmp_path), seen.append)
    assert seen[0].done == 35
    assert seen[0].rate == 0.0
    assert seen[-1].done == ROWS


def test_a_few_batches_are_sent_ahead_of_the_answers(tmp_path, source):
    client = MemoryClient()
    run(client, source, options(tmp_path))
    assert client.most_waiting > 1


def test_the_work_folder_is_named_after_the_collection(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(MemoryClient(), source, options(tmp_path, work_dir=None))
    assert Path("frostline-index/notes/rejected.jsonl").exists()


def test_a_checkpoint_is_never_half_written(tmp_path, source, monkeypatch):
    # Whenever the process ends, checkpoint.json is one that was written as a whole.
    replaced: list[str] = []
    real = Path.replace

    def watched(self: Path, target: Path) -> Path:
        json.loads(self.read_text())
        replaced.append(target.name)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    run(MemoryClient(), source, options(tmp_path))
    assert replaced == [CHECKPOINT] * 15


def test_a_finished_job_that_is_run_again_writes_only_what_changed(tmp_path):
    source = tmp_path / "rows.jsonl"

    def write(**changed):
        rows = [
            {"id": f"r{n}", "text": changed.get(f"text{n}", f"text {n}"), "n": changed.get(f"n{n}", n)}
            for n in range(200)
        ]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    with running_server(tmp_path / "data", encoders="") as server, Client(server.target) as client:
        client.add_encoder("tiny", folder=tiny.tiny_bert(tmp_path / "tiny"))
        chosen = options(tmp_path, batch_size=32)
        write()
        first = run(client, source, chosen)
        before = client.get_collection("notes").sequence
        again = run(client, source, chosen)
        assert client.get_collection("notes").sequence == before
        write(text5="another text", n7=-7)
        changed = run(client, source, chosen)
        assert [each.id for each in client.list_records("notes")][-2:] == ["r5", "r7"]
        [found] = client.get("notes", ["r7"], include_content=True)
        assert found == Record("r7", text="text 7", payload={"n": -7})
        anew = run(client, source, options(tmp_path, restart=True, rewrite=True))
    counts = [(each.rows, each.indexed, each.unchanged, each.reused) for each in (first, again, changed, anew)]
    assert counts == [(200, 200, 0, 0), (200, 0, 200, 0), (200, 2, 198, 1), (200, 200, 0, 0)]


def test_rows_whose_id_comes_again_are_counted_apart(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps({"id": f"r{n % 10}", "text": f"text {n}"}) + "\n" for n in range(40)) + "{\n")
    with running_server(tmp_path / "data", encoders="") as server, Client(server.target) as client:
        client.add_encoder("tiny", folder=tiny.tiny_bert(tmp_path / "tiny"))
        summary = run(client, source, options(tmp_path, batch_size=20))
        assert [each.text for each in client.list_records("notes", include_content=True)] == [
            f"text {n}" for n in range(30, 40)
        ]
    assert (summary.rows, summary.indexed, summary.repeated, summary.rejected) == (41, 20, 20, 1)


def test_a_job_whose_first_rows_are_all_rejected_stops_and_the_next_begins_anew(tmp_path, source):
    client = MemoryClient()
    client.create_collection("notes", encoder="tiny")
    with pytest.raises(
        AllRejected, match=r"first 14 rows .* row 1 because: row has no 'body', it has .*'text'"
    ) as told:
        run(client, source, options(tmp_path, text_field="body", max_rejected_first=10))
    assert str(tmp_path / "work" / REJECTED) in str(told.value)
    assert client.batches == [[], []]
    assert run(client, source, options(tmp_path, max_rejected_first=10)).indexed == 95
    client = MemoryClient(refused={f"r{n}" for n in range(1, 41)})  # the server's reasons count too
    with pytest.raises(AllRejected, match=r"r1 is refused.*; collection 'notes', which was made for them, is empty"):
        run(client, source, options(tmp_path, max_rejected_first=10))
    summary = run(client, source, options(tmp_path, max_rejected_first=0))
    assert (summary.indexed, summary.first_rejection.id) == (57, "r1")


@pytest.mark.parametrize("most", [10, 1000])
def test_where_no_row_can_become_a_record_no_collection_is_made(tmp_path, source, most):
    client = MemoryClient()
    wrong = options(tmp_path, text_field="body", max_rejected_first=most)
    with pytest.raises(AllRejected, match=rf"first {min(most, ROWS)} rows .* row 1 because: .*'notes' was not made"):
        run(client, source, wrong)
    assert client.collections == {}
    assert run(client, source, options(tmp_path, encoder="another")).indexed == 95  # the encoder may be mended too


def test_a_source_without_rows_and_a_job_that_never_stops_make_their_collection(tmp_path, source):
    client = MemoryClient()
    assert run(client, source, options(tmp_path, text_field="body", max_rejected_first=0)).rejected == ROWS
    source.write_text("")
    assert run(client, source, options(tmp_path, collection="empty")).rows == 0
    assert set(client.collections) == {"notes", "empty"}


def test_rows_that_are_rejected_later_stop_nothing(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text('{"text": "good"}\n' + "{\n" * 99)
    summary = run(MemoryClient(), source, options(tmp_path, id_field="", max_rejected_first=10))
    assert (summary.rows, summary.indexed, summary.rejected) == (100, 1, 99)


def test_unchanged_rows_are_only_looked_for_where_there_are_records(tmp_path, source):
    client = MemoryClient()
    run(client, source, options(tmp_path))
    run(client, source, options(tmp_path))
    run(client, source, options(tmp_path, rewrite=True))
    assert client.skipped == [False, True, False]
