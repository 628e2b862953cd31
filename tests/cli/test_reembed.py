"""`frostline reembed`."""

import pytest

from frostline.client import Client, Record
from tiny import tiny_bert


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def other_encoder(target, tmp_path_factory):
    with Client(target) as client:
        client.add_encoder("other.v2", tiny_bert(tmp_path_factory.mktemp("other"), seed=1))
    return "other.v2"


@pytest.fixture
def pets(target, other_encoder):
    """A collection, with an alias, that is deleted afterwards together with its shadow."""
    with Client(target) as client:
        client.create_collection("pets", encoder="tiny")
        client.upsert("pets", [Record(f"r{n}", text=f"a red cat {n}") for n in range(30)])
        client.set_alias("live", "pets")
        yield "pets"
        for found in client.list_collections():
            if found.name.startswith("pets"):
                client.delete_collection(found.name)


def fields(result):
    assert result.exit_code == 0, result.output
    return {name.strip(): value.strip() for name, value in (line.split("  ", 1) for line in result.stdout.splitlines())}


def test_a_first_run_compares_and_a_second_flips_the_alias(frostline, answer, pets, other_encoder):
    told = fields(frostline("reembed", "live", "--encoder", other_encoder, "--queries", "20"))
    assert told["Collection"] == "pets, which stays"
    assert told["Made"] == "pets-other-v2, 30 records"
    assert "of the 10 closest records; a tenth of 20 queries at most" in told["Overlap"]
    assert "--alias" in told["Next"]
    assert answer("aliases", "list") == {"live": "pets"}
    told = fields(frostline("reembed", "pets", "--encoder", other_encoder, "--alias", "live"))
    assert told["Alias"] == "live leads to pets-other-v2; back again: frostline aliases set live pets"
    assert "Next" not in told
    assert answer("aliases", "list") == {"live": "pets-other-v2"}
    assert answer("records", "count", "pets")["count"] == 30


def test_a_new_alias_says_how_to_be_without_it(frostline, pets, other_encoder, target):
    told = fields(frostline("reembed", "pets", "--encoder", other_encoder, "--alias", "fresh", "--as", "pets-b"))
    assert told["Alias"] == "fresh leads to pets-b; back again: frostline aliases delete fresh"


def test_queries_come_from_a_file_when_given(answer, refusal, pets, other_encoder, tmp_path):
    (tmp_path / "queries.txt").write_text("red cat\n\n a house \n")
    (tmp_path / "empty.txt").write_text("\n")
    reembed = ("reembed", "pets", "--encoder", other_encoder, "--query-file")
    assert answer(*reembed, "queries.txt")["overlap"]["queries"] == 2
    assert "has no lines" in refusal(*reembed, "empty.txt")


def test_records_without_content_are_told_by_name_and_exit_code(frostline, pets, other_encoder, target):
    with Client(target) as client:
        client.upsert_vectors("pets", ["bare"], client.embed(["x"], encoder="tiny"))
    result = frostline("reembed", "pets", "--encoder", other_encoder)
    assert result.exit_code == 3
    assert "1 records keep only their old vector: bare" in result.stdout


def test_what_cannot_be_done_is_refused_in_one_line(refusal, pets, other_encoder):
    assert "has encoder 'tiny' already" in refusal("reembed", "pets", "--encoder", "tiny")
    assert "nowhere" in refusal("reembed", "nowhere", "--encoder", other_encoder)
