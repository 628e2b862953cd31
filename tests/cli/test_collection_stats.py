import re

from frostline.client import Client


def test_stats_show_segments_and_their_lowest_recall(pretend, pretended):
    shown = pretend("collections", "stats", "notes").stdout.splitlines()
    assert shown[1].split(maxsplit=3) == ["In", "the", "tail", "1 (a segment is being built)"]
    assert shown[-2].split() == ["SEGMENT", "ROWS", "DEAD", "STATE", "SIZE", "VECTOR", "INDEX", "RECALL"]
    assert shown[-1].split() == ["0", "4", "2", "verified", "2.0", "KB", "default", "ivf_pq", "0.960"]
    assert max(map(len, shown)) <= 80
    assert pretended("collections", "stats", "notes")["segments"][0]["indexes"][0]["recalls"][0]["correlated"] is True


def test_optimize_tells_its_steps_and_its_end(pretend, pretended):
    result = pretend("collections", "optimize", "notes")
    made_of = "4 rows in 1 segment and 1 in the tail"
    said = rf"Optimized collection notes in [\d.]+ ms: {made_of} \(before: {made_of}\); recall 0\.970\.\n"
    assert re.fullmatch(said, result.stdout)
    assert result.stderr.splitlines() == ["indexing the tail", "joining segments"]
    told = pretended("collections", "optimize", "notes")
    assert (told["optimized"], told["changed"], told["recall"]) == ("notes", True, 0.97)
    assert told["before"] == told["after"] == {"segment_count": 1, "segment_rows": 4, "tail_count": 1}


def test_optimize_says_where_nothing_was_to_be_done(fake, pretend, pretended):
    fake.steps = [("done", 1.0)]
    result = pretend("collections", "optimize", "notes")
    assert result.stdout == "Nothing to optimize in notes: 4 rows in 1 segment and 1 in the tail; recall 0.970.\n"
    assert result.stderr == ""
    assert pretended("collections", "optimize", "notes")["changed"] is False


def test_optimize_of_few_records_says_that_they_need_no_index(frostline, target):
    with Client(target) as client:
        client.create_collection("few", dimensions=2)
    try:
        told = frostline("collections", "optimize", "few").stdout
    finally:
        with Client(target) as client:
            client.delete_collection("few")
    assert told == ("Nothing to optimize in few: 0 records without an index, compared one by one; recall 1.000.\n")


def test_optimize_of_nothing_is_refused(pretend):
    result = pretend("collections", "optimize", "nope")
    assert (result.exit_code, "nope" in result.stderr) == (1, True)
