"""`frostline export` and `frostline import`."""

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from frostline.client import Client


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def copy(target):
    """The name of a collection that is deleted afterwards."""
    yield "copy-of-animals"
    with Client(target) as client:
        if "copy-of-animals" in [found.name for found in client.list_collections()]:
            client.delete_collection("copy-of-animals")


def told(result):
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return {name.strip(): value.strip() for name, value in (line.split("  ", 1) for line in result.stdout.splitlines())}


def test_what_is_exported_can_be_imported_under_another_name(frostline, answer, copy):
    fields = told(frostline("export", "animals", "animals.parquet"))
    assert fields["File"].startswith("animals.parquet, ")
    assert fields["Records"] == "4"
    fields = told(frostline("import", "animals.parquet", copy))
    assert (fields["Rows read"], fields["Indexed"], fields["Rejected"]) == ("4", "4", "0")
    query = ("a red cat", "--limit", "4")
    assert answer("search", copy, *query)["hits"] == answer("search", "animals", *query)["hits"]


def test_a_filter_and_its_parameters_choose_records(answer):
    done = answer(
        "export", "animals", "some.parquet", "--filter", "text = $one", "--param", 'one="it is a line of text"'
    )
    assert done["records"] == pq.read_metadata("some.parquet").num_rows == 1
    assert done["unreadable"] is None


def test_a_file_is_replaced_only_when_asked(refusal, answer, tmp_path):
    (tmp_path / "mine.parquet").write_bytes(b"mine")
    assert "exists already" in refusal("export", "animals", "mine.parquet")
    assert answer("export", "animals", "mine.parquet", "--replace")["records"] == 4


def test_what_cannot_be_exported_or_imported_is_refused_in_one_line(refusal, tmp_path):
    assert "nothing-here" in refusal("export", "nothing-here", "x.parquet")
    assert "No such file" in refusal("export", "animals", "no/folder/x.parquet")
    assert "is no file" in refusal("import", "gone.parquet", "animals")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    assert "is no Parquet file" in refusal("import", "bad.parquet", "animals")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.parquet"]


def test_rejected_rows_are_told_by_the_exit_code(frostline, copy):
    frostline("export", "animals", "animals.parquet")
    table = pq.read_table("animals.parquet")
    payloads = ["{", *table["payload"].to_pylist()[1:]]
    pq.write_table(table.set_column(1, table.schema.field("payload"), [payloads]), "bad.parquet")
    result = frostline("import", "bad.parquet", copy)
    assert result.exit_code == 3
    assert "1, listed in frostline-import/copy-of-animals/rejected.jsonl" in result.stdout
    assert "row 1: payload is no JSON" in result.stdout


def test_without_pyarrow_both_name_the_extra(target, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    code = "import sys; sys.modules['pyarrow'] = None; from frostline.cli import main; main()"
    for arguments in (["export", "animals", "y.parquet"], ["import", "x.parquet", "animals"]):
        result = subprocess.run(
            [sys.executable, "-c", code, *arguments, "--target", target],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 1
        assert "frostline[indexer]" in result.stderr
        assert result.stderr.count("\n") == 1


def test_an_interrupted_export_says_that_there_is_no_file(frostline, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("frostline.indexer.export", interrupted)
    result = frostline("export", "animals", "x.parquet")
    assert (result.exit_code, result.stderr) == (130, "interrupted; no file was written\n")


def test_json_is_what_programs_get(answer, copy):
    answer("export", "animals", "animals.parquet")
    done = answer("import", "animals.parquet", copy)
    assert (done["rows"], done["indexed"], done["unchanged"], done["first_rejection"]) == (4, 4, 0, None)
    assert json.dumps(done)
