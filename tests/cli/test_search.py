import numpy as np
import pytest

from frostline.client import Client, Record


def test_the_closest_record_comes_first(frostline, answer):
    told = answer("search", "animals", "a red cat in the house", "--limit", "2")
    assert (told["hits"][0]["rank"], told["hits"][0]["id"]) == (1, "cat")
    assert told["hits"][0]["score"] == pytest.approx(1.0, abs=1e-5)
    assert told["hits"][0]["payload"] == {"text": "a red cat in the house"}
    shown = frostline("search", "animals", "a red cat in the house", "--limit", "2").stdout.splitlines()
    assert shown[0].split() == ["RANK", "SCORE", "ID", "PAYLOAD"]
    assert shown[1].split(maxsplit=3) == ["1", "1.0000", "cat", "a red cat in the house"]
    assert shown[-1].startswith("2 hits from animals in ")
    assert "search " in shown[-1]


def test_a_record_finds_its_neighbors_without_itself(answer):
    told = answer("search", "animals", "--record", "cat")
    assert "cat" not in [hit["id"] for hit in told["hits"]]
    assert len(told["hits"]) == 3


def test_an_image_that_does_not_exist_is_named(refusal):
    assert "missing.png" in refusal("search", "animals", "--image", "missing.png")


@pytest.mark.parametrize("arguments", [[], ["cat", "--record", "cat"]])
def test_exactly_one_query_is_asked_for(frostline, arguments):
    result = frostline("search", "animals", *arguments)
    assert result.exit_code == 2
    assert "--record" in result.stderr


def test_an_unknown_collection_or_record_is_refused_in_one_line(refusal):
    assert "'nope'" in refusal("search", "nope", "cat")
    assert "'nobody'" in refusal("search", "animals", "--record", "nobody")


def test_no_hits_say_so(frostline, answer):
    answer("collections", "create", "empty", "--encoder", "tiny")
    shown = frostline("search", "empty", "cat")
    assert shown.stdout.startswith("0 hits from empty in ")
    answer("collections", "delete", "empty", "--yes")


def test_a_field_of_the_filter_that_no_record_has_is_told(frostline):
    shown = frostline("search", "animals", "cat", "--filter", 'lable = "x"', "--json")
    assert (shown.exit_code, shown.stderr) == (0, "note: no record of animals has a value in the field 'lable'\n")
    for filter in ('text = "nothing like it"', 'NOT lable = "x"'):
        assert frostline("search", "animals", "cat", "--filter", filter).stderr == ""


def test_one_hit_is_one(frostline):
    shown = frostline("search", "animals", "a red cat in the house", "--limit", "1").stdout.splitlines()
    assert shown[-1].startswith("1 hit from animals in ")


def test_payloads_cannot_move_the_cursor(frostline, answer, target):
    with Client(target) as client:
        client.create_collection("evil", dimensions=2)
        record = Record("a\x1b[2Jb", vector=np.ones(2), payload={"x": "\x1b]0;owned\x07[bold]red[/bold]\u202e\nline"})
        client.upsert("evil", [record])
        client.upsert("evil", [Record("other", vector=np.ones(2))])
    shown = frostline("search", "evil", "--record", "other").stdout
    assert "[bold]red[/bold]" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert len(shown.splitlines()) == 3
    assert answer("search", "evil", "--record", "other")["hits"][0]["id"] == "a\x1b[2Jb"
    answer("collections", "delete", "evil", "--yes")
