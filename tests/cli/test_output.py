import io

import pytest
from rich.console import Console

from frostline.cli.output import Column, duration, plain, show_json, show_table, size, summary
from frostline.cli.progress import Meter, progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0082, "8.2 ms"),
        (1.0, "1.0 s"),
        (59.9, "59.9 s"),
        (59.97, "1 min 0 s"),
        (725, "12 min 5 s"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (999_960, "1.0 MB"), (90_868_376, "90.9 MB")])
def test_sizes_read_well(count, text):
    assert size(count) == text


def test_plain_text_is_one_line_without_control_characters():
    assert plain("a\tb\n\x1b[1mc\u202ed") == "a b [1mc d"
    assert plain("größe 大きさ") == "größe 大きさ"


def test_a_summary_names_values_only_where_there_are_several():
    assert summary({"text": "alone"}) == "alone"
    assert summary({"a": 1, "b": [2]}) == "a: 1 · b: [2]"
    assert summary({}) == ""


def test_json_has_no_infinite_numbers():
    with pytest.raises(ValueError, match="JSON"):
        show_json({"score": float("inf")})


def test_a_table_in_80_columns_folds_ids_and_cuts_summaries():
    written = io.StringIO()
    show_table((Column("ID"), Column("PAYLOAD", elide=True)), [("x" * 60, "y" * 300)], Console(file=written, width=80))
    lines = written.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert written.getvalue().count("x") == 60
    assert "…" in written.getvalue()


def test_the_rate_follows_the_last_seconds_and_ignores_what_was_done_before():
    now = 0.0
    meter = Meter(lambda: now)
    assert meter.per_second == 0
    meter.mark(1000)
    for second in range(1, 101):
        now = float(second)
        meter.mark(1000 + 10 * min(second, 50) + 100 * max(second - 50, 0))
    assert meter.per_second == pytest.approx(100)


def test_time_left_comes_from_the_rate():
    now = 0.0
    meter = Meter(lambda: now)
    meter.mark(0)
    now = 10.0
    meter.mark(100)
    assert meter.figures(400, "rows", str) == "100 of 400 rows, 10/s, 30.0 s left"
    assert meter.figures(None, "rows", str) == "100 rows, 10/s"


def test_a_rate_that_rounds_to_nothing_is_left_out():
    seconds = iter((0.0, 14.0, 16.0, 50.0))
    meter = Meter(lambda: next(seconds), window_seconds=60)
    for done in (0, 1, 2, 5):
        meter.mark(done)
    assert meter.figures(100, "%", str) == "5 of 100 %, 15 min 50 s left"


def test_each_step_is_measured_by_itself(monkeypatch):
    seconds = iter(range(0, 1000, 20))
    monkeypatch.setattr("time.monotonic", lambda: float(next(seconds)))
    written = io.StringIO()
    with progress(Console(file=written), "Embedding", "%") as shown:
        shown.update(100, 100)
        shown.step("Fitting")
        shown.update(0, 100)
        shown.update(50, 100)
    assert written.getvalue().splitlines()[1:3] == ["Fitting", "Fitting: 0 of 100 %"]
    assert written.getvalue().endswith(" left\n")


def test_a_log_gets_few_lines_and_no_control_codes(monkeypatch):
    seconds = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: float(next(seconds)))
    written = io.StringIO()
    with progress(Console(file=written), "Indexing", "rows") as shown:
        for done in range(0, 100, 10):
            shown.update(done, 100)
    lines = written.getvalue().splitlines()
    assert 1 <= len(lines) <= 4
    assert lines[0].startswith("Indexing: ")
    assert "\x1b" not in written.getvalue()


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end():
    written = io.StringIO()
    with progress(Console(file=written, force_terminal=True, width=80), "Indexing", "rows") as shown:
        shown.update(50, 100)
    assert "50 of 100 rows" in written.getvalue()
    assert written.getvalue().rstrip().endswith("\x1b[2K")
