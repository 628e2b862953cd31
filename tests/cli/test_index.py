import json
import os
import subprocess
import sys

import pytest

from frostline.client import Client


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def rows(tmp_path, target):
    """Writes rows.jsonl with some good rows and bad lines, and deletes the collection `rows` afterwards."""

    def write(good, *bad):
        path = tmp_path / "rows.jsonl"
        lines = [json.dumps({"key": str(n), "body": f"a text {n}", "kind": "x", "more": n}) for n in range(good)]
        path.write_text("\n".join([*lines, *bad]) + "\n")
        return str(path)

    yield write
    with Client(target) as client:
        if "rows" in [found.name for found in client.list_collections()]:
            client.delete_collection("rows")


FIELDS = ("--collection", "rows", "--encoder", "tiny", "--text-field", "body", "--id-field", "key")


def test_every_row_becomes_a_record(frostline, answer, rows, target):
    told = frostline("index", rows(20), *FIELDS, "--payload-fields", "kind, more", "--batch-size", "7")
    assert told.exit_code == 0, told.output
    fields = dict(line.split("  ", 1) for line in told.stdout.splitlines())
    assert {name: fields[name].strip() for name in ("Rows read", "Indexed", "Rejected")} == {
        "Rows read": "20",
        "Indexed": "20",
        "Rejected": "0",
    }
    with Client(target) as client:
        assert client.get("rows", ["7"])[0].payload == {"kind": "x", "more": 7}
    assert answer("search", "rows", "a text 7")["hits"][0]["id"] == "7"


def test_rejected_rows_are_counted_listed_and_told_by_the_exit_code(frostline, rows):
    result = frostline("index", rows(5, "no json", '{"key": "z"}'), *FIELDS, "--json")
    assert result.exit_code == 3
    assert result.stderr == ""
    told = json.loads(result.stdout)
    assert (told["rows"], told["indexed"], told["rejected"]) == (7, 5, 2)
    with open(told["rejected_path"]) as file:
        assert [json.loads(line)["row"] for line in file] == [6, 7]


def test_the_table_says_where_the_rejected_rows_are(frostline, rows):
    result = frostline("index", rows(1, "no json"), *FIELDS, "--work-dir", "here")
    assert result.exit_code == 3
    assert "1, listed in here/rejected.jsonl" in result.stdout


def test_an_empty_list_of_payload_fields_keeps_none(frostline, rows, target):
    assert frostline("index", rows(1), *FIELDS, "--payload-fields", "").exit_code == 0
    with Client(target) as client:
        assert client.get("rows", ["0"])[0].payload == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.jsonl", *FIELDS), "'nowhere.jsonl' does not exist"),
        (("rows.jsonl", "--collection", "absent"), "--encoder"),
        (("pydoc:", *FIELDS), "--text-field"),
        (("pydoc:", "--collection", "c", "--text-field", "a", "--image-field", "b"), "exclude each other"),
    ],
)
def test_what_cannot_be_indexed_is_refused_in_one_line(refusal, rows, arguments, told):
    rows(1)
    assert told in refusal("index", *arguments)


def test_without_pyarrow_a_parquet_file_names_the_extra(target, tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    code = "import sys; sys.modules['pyarrow'] = None; from frostline.cli import main; main()"
    arguments = ["index", "rows.parquet", "--collection", "rows", "--encoder", "tiny", "--target", target]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=dict(os.environ), capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1
    assert "frostline[indexer]" in result.stderr
    assert result.stderr.count("\n") == 1


def test_progress_goes_to_stderr_and_stays_out_of_a_log_that_is_short(frostline, rows):
    result = frostline("index", rows(3), *FIELDS)
    assert result.stderr == ""
    assert "\x1b" not in result.stdout


def test_an_interrupted_job_says_how_to_go_on(frostline, rows, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("frostline.indexer.index", interrupted)
    told = frostline("index", rows(1), *FIELDS)
    assert (told.exit_code, told.stdout) == (130, "")
    assert told.stderr == "interrupted; the same command goes on where this one stopped\n"


def test_a_job_that_is_run_again_says_what_is_unchanged(frostline, answer, rows, tmp_path):
    assert frostline("index", rows(20), *FIELDS).exit_code == 0
    path = tmp_path / "rows.jsonl"
    lines = path.read_text().splitlines()
    lines[0], lines[1] = lines[0].replace("a text 0", "new"), lines[1].replace('"x"', '"y"')
    path.write_text("\n".join(lines))
    told = frostline("index", str(path), *FIELDS)
    fields = dict(line.split("  ", 1) for line in told.stdout.splitlines())
    assert fields["Indexed"].strip() == "2, 1 of them with the vectors they had"
    assert fields["Unchanged"].strip() == "18"
    done = answer("index", str(path), *FIELDS, "--rewrite")
    assert (done["indexed"], done["unchanged"]) == (20, 0)


def test_a_job_whose_first_rows_are_all_rejected_stops_with_the_reason(refusal, frostline, rows):
    arguments = ("index", rows(30), "--collection", "rows", "--encoder", "tiny", "--batch-size", "5")
    told = refusal(*arguments, "--max-rejected-first", "10")
    assert told.startswith("the first 10 rows were all rejected, row 1 because: row has no 'text', it has 'key'")
    assert "collection 'rows' was not made" in told
    assert frostline(*arguments, "--max-rejected-first", "0").exit_code == 3
    result = frostline(*arguments)
    assert "row 1: row has no 'text'" in result.stdout


def test_a_collection_that_stays_empty_is_called_so(frostline, rows):
    result = frostline("index", rows(0, json.dumps({"key": "k" * 9000, "body": "a"})), *FIELDS)
    assert result.exit_code == 3
    assert "rows, which is empty: no row became a record" in result.stdout
    assert "which is empty" not in frostline("index", rows(1), *FIELDS).stdout
