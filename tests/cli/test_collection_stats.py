def test_stats_show_segments_and_their_lowest_recall(pretend, pretended):
    shown = pretend("collections", "stats", "notes").stdout.splitlines()
    assert shown[1].split(maxsplit=3) == ["In", "the", "tail", "1 (a segment is being built)"]
    assert shown[-2].split() == ["SEGMENT", "ROWS", "DEAD", "STATE", "SIZE", "VECTOR", "INDEX", "RECALL"]
    assert shown[-1].split() == ["0", "4", "2", "verified", "2.0", "KB", "default", "ivf_pq", "0.960"]
    assert max(map(len, shown)) <= 80
    assert pretended("collections", "stats", "notes")["segments"][0]["indexes"][0]["recalls"][0]["correlated"] is True


def test_optimize_tells_its_steps_and_its_end(pretend, pretended):
    result = pretend("collections", "optimize", "notes")
    assert result.stdout.startswith("Optimized collection notes in ")
    assert result.stderr.splitlines() == ["indexing the tail", "joining segments"]
    assert pretended("collections", "optimize", "notes")["optimized"] == "notes"


def test_optimize_of_nothing_is_refused(pretend):
    result = pretend("collections", "optimize", "nope")
    assert (result.exit_code, "nope" in result.stderr) == (1, True)
