import json

import pytest


def test_records_are_shown_by_id_and_missing_ones_named(pretend, pretended):
    told = pretended("records", "get", "notes", "3", "1")
    assert [(record["id"], record["text"], record["payload"]["n"]) for record in told] == [
        ("3", "note 3", 3),
        ("1", "note 1", 1),
    ]
    result = pretend("records", "get", "notes", "1", "none")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].split(maxsplit=4) == ["1", "1", "note", "1", "n: 1 · color: blue"]
    assert result.stderr == "error: notes has no record 'none'\n"


def test_so_many_records_are_listed_and_no_more_are_asked_for(fake, pretend, pretended):
    assert [record["id"] for record in pretended("records", "list", "notes", "--limit", "3")] == ["0", "1", "2"]
    assert len(fake.of("ListRecords")) == 2  # the fake's pages have 2
    shown = pretend("records", "list", "notes", "--filter", "n > $n", "--param", "n=3").stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["ID", "4"]
    assert pretend("records", "list", "notes", "--filter", "n > 9").stdout == "notes has no such record.\n"


def test_a_payload_is_patched(fake, pretend, pretended):
    told = pretended("records", "patch", "notes", "1", '{"n": 7, "color": null}')
    assert told == {"collection": "notes", "patched": 1, "sequence": 2}
    assert json.loads(fake.records["1"].payload) == {"n": 7}
    result = pretend("records", "patch", "notes", "none", "{}")
    assert (result.exit_code, result.stderr[:7]) == (1, "error: ")


@pytest.mark.parametrize("patch", ["{", "[1]", "7"])
def test_a_patch_that_is_no_object_is_wrong_usage(fake, pretend, patch):
    result = pretend("records", "patch", "notes", "1", patch)
    assert result.exit_code == 2
    assert fake.requests == []


def test_records_are_counted_by_filter(fake, pretend, pretended):
    assert pretend("records", "count", "notes").stdout == "5\n"
    told = pretended(
        "records", "count", "notes", "--filter", "n > $least AND color = $c", "--param", "least=0", "--param", 'c="red"'
    )
    assert told == {"collection": "notes", "count": 2}
    assert dict(fake.of("CountRecords")[-1].filter.parameters) == {"least": b"0", "c": b'"red"'}


@pytest.mark.parametrize("given", ["least", "least=two", "least=NaN]"])
def test_a_parameter_that_is_no_json_is_wrong_usage(fake, pretend, given):
    result = pretend("records", "count", "notes", "--filter", "n > $least", "--param", given)
    assert result.exit_code == 2
    assert "--param" in result.stderr
    assert fake.requests == []


def test_values_of_a_field_are_counted(pretend, pretended):
    assert pretended("records", "facets", "notes", "color", "--limit", "2") == [
        {"value": "red", "count": 3},
        {"value": "blue", "count": 1},
    ]
    shown = pretend("records", "facets", "notes", "color", "--filter", "n > 1").stdout
    assert [line.split() for line in shown.splitlines()] == [["RECORDS", "VALUE"], ["2", "red"], ["1", "null"]]
    assert pretend("records", "facets", "notes", "none").stdout == "No record has none.\n"


def test_records_are_deleted_by_id(fake, pretended):
    assert pretended("records", "delete", "notes", "1", "none", "--yes") == {
        "collection": "notes",
        "deleted": 1,
        "sequence": 2,
    }
    assert sorted(fake.records) == ["0", "2", "3", "4"]


def test_a_deletion_by_filter_says_how_many_and_asks(fake, pretend, pretended):
    result = pretend("records", "delete", "notes", "--filter", "n < 2")
    assert result.exit_code == 1
    assert "Delete 2 records of notes where n < 2?" in result.stderr
    assert len(fake.records) == 5
    assert pretended("records", "delete", "notes", "--filter", "n < 2", "--yes")["deleted"] == 2
    assert sorted(fake.records) == ["2", "3", "4"]


@pytest.mark.parametrize("arguments", [[], ["1", "--filter", "n < 2"], ["--filter", " "]])
def test_a_deletion_names_either_ids_or_a_filter(fake, pretend, arguments):
    result = pretend("records", "delete", "notes", "--yes", *arguments)
    assert result.exit_code == 2
    assert fake.requests == []
