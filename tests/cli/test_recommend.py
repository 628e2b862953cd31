"""What `frostline recommend` asks a server for, and how it shows recommendations."""

import json

import pytest

from frostline.cli.recommend import Strategy
from frostline.client import Client, Interaction
from frostline.client import Strategy as ClientStrategy
from frostline.v1 import recommendation_service_pb2 as v1
from frostline.v1.search_service_pb2 import Grouping, QueryPart


@pytest.fixture
def liked(fake):
    """What users did with `notes`: the second is liked most, then the first, and the last is disliked."""
    done = [("u", "0", 1.0), ("v", "0", 2.0), ("v", "1", 5.0), ("v", "4", -1.0)]
    with Client(fake.target) as client:
        client.record_interactions("notes", [Interaction(*each, time=1.0) for each in done])
    fake.requests.clear()


def test_every_option_arrives(fake, pretend, tmp_path):
    image = tmp_path / "a.png"
    image.write_bytes(b"png")
    result = pretend(
        "recommend", "notes", "--user", "u", "--profile", "slow", "--like", "1=0.5", "--like", "2",
        "--dislike", "3=2", "--like-text", "a heist", "--like-text", "E=mc2", "--dislike-text", "a war=0.25",
        "--like-image", f"{image}=3", "--dislike-image", str(image), "--limit", "7", "--offset", "1",
        "--filter", "n < $n", "--param", "n=4", "--strategy", "item_neighbors", "--diversity", "0.25",
        "--group-by", "color", "--max-per-group", "2", "--include-seen", "--exclude", "a", "--exclude", "b",
        "--min-score", "-0.5", "--half-life-days", "2", "--kind", "like", "--kind", "",
        "--vector", "photo", "--explain",
    )  # fmt: skip
    assert result.exit_code == 0
    expected = v1.RecommendRequest(
        collection="collections/notes",
        user="u",
        profile="slow",
        examples=[
            QueryPart(record_id="1", weight=0.5),
            QueryPart(record_id="2", weight=1),
            QueryPart(text="a heist", weight=1),
            QueryPart(text="E=mc2", weight=1),
            QueryPart(image=b"png", weight=3),
            QueryPart(record_id="3", weight=-2),
            QueryPart(text="a war", weight=-0.25),
            QueryPart(image=b"png", weight=-1),
        ],
        limit=7,
        offset=1,
        include_seen=True,
        excluded_ids=["a", "b"],
        min_score=-0.5,
        strategy=v1.STRATEGY_ITEM_NEIGHBORS,
        diversity=0.25,
        grouping=Grouping(path="color", max_per_group=2),
        half_life_seconds=2 * 86_400,
        kinds=["like", ""],
        include_payloads=True,
        vector_name="photo",
        explain=True,
    )
    expected.filter.expression = "n < $n"
    expected.filter.parameters["n"] = b"4"
    assert fake.of("Recommend") == [expected]


def test_nothing_given_is_asked_for_anybody(fake, pretend, liked):
    shown = pretend("recommend", "notes", "--limit", "2").stdout.splitlines()
    assert fake.of("Recommend") == [
        v1.RecommendRequest(collection="collections/notes", limit=2, strategy=v1.STRATEGY_AUTO, include_payloads=True)
    ]
    assert shown[0].split() == ["RANK", "SCORE", "ID", "PAYLOAD"]
    assert shown[1].split(maxsplit=3) == ["1", "2.5000", "1", "n: 1 · color: blue"]
    assert shown[2].split(maxsplit=3) == ["2", "1.5000", "0", "n: 0 · color: red"]
    assert shown[3].startswith("2 recommendations from notes by auto with 0 examples in ")
    assert shown[3].endswith(" (search 125.0 ms)")
    assert len(shown) == 4


def test_none_are_told_with_the_reason(pretend):
    shown = pretend("recommend", "notes", "--filter", "n > 9").stdout.splitlines()
    assert shown[0].startswith("0 recommendations from notes by auto with 0 examples in ")
    assert shown[1:] == ["note: no record is left; ask with fewer conditions"]


def test_reasons_are_a_table_in_80_columns(pretend, liked, monkeypatch):
    monkeypatch.setattr("frostline.cli.output._WIDTH_OF_A_LOG", 80)
    shown = pretend("recommend", "notes", "--user", "u", "--like", "3", "--limit", "2", "--explain").stdout.splitlines()
    assert max(map(len, shown[4:])) <= 80
    start = next(index for index, line in enumerate(shown) if "STRATEGIES" in line)
    assert shown[start].split() == ["RANK", "ID", "STRATEGIES", "EXAMPLES"]
    assert shown[start + 1].split() == [
        "1",
        "1",
        "ease",
        "+2.2500,",
        "popular",
        "+0.2500",
        "0",
        "+0.5000,",
        "3",
        "-0.5000",
    ]
    assert len(shown) == start + 3


def test_json_has_what_the_answer_has(pretended, liked):
    told = pretended("recommend", "notes", "--user", "u", "--group-by", "color", "--explain", "--limit", "1")
    assert told.pop("wall_seconds") > 0
    assert told.pop("timings")["search_seconds"] == 0.125
    reasons = {
        "strategies": [{"strategy": "ease", "score": 2.25}, {"strategy": "popular", "score": 0.25}],
        "examples": [{"record": "0", "score": 0.5}],
    }
    best = {"rank": 1, "id": "1", "score": 2.5, "payload": {"n": 1, "color": "blue"}, "group": "blue"}
    assert told == {
        "collection": "notes",
        "recommendations": [best | {"reasons": reasons}],
        "strategy": "auto",
        "known_count": 1,
        "notes": [],
        "sequence": 1,
        "learned_sequence": 0,
    }
    assert pretended("recommend", "notes")["recommendations"][0]["reasons"] is None


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("m1", ("m1", 1)),
        ("m1=0.5", ("m1", 0.5)),
        ("a=b", ("a=b", 1)),
        ("a=1=2", ("a=1", 2)),
        ("m1=", ("m1=", 1)),
        ("=2", ("=2", 1)),
    ],
)
def test_a_weight_is_the_number_after_the_last_equals_sign(fake, pretend, given, sent):
    pretend("recommend", "notes", "--like", given)
    (part,) = fake.of("Recommend")[0].examples
    assert (part.record_id, part.weight) == sent


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--strategy", "luck"], 2, "item_neighbors"),
        (["--limit", "0"], 2, "--limit"),
        (["--diversity", "1.5"], 2, "--diversity"),
        (["--like", "0=nan"], 1, "weight of positives[0] nan is no finite number"),
        (["--dislike", "0=-1"], 1, "weight of negatives[0] -1.0 is not above 0"),
        (["--half-life-days", "0"], 1, "half_life_seconds 0.0 is not above 0"),
        (["--like-image", "missing.png"], 1, "cannot read image missing.png"),
        (["--user", ""], 1, "user is empty"),
        (["--max-per-group", "2"], 1, "without group_by"),
        (["--like", "nobody"], 1, "'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_refused(pretend, arguments, code, says):
    result = pretend("recommend", "notes", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1


def test_the_strategies_are_the_clients():
    assert [(each.name, each.value) for each in Strategy] == [(each.name, each.value) for each in ClientStrategy]


def test_notes_and_ids_cannot_move_the_cursor(fake, pretend, monkeypatch):
    answer = v1.RecommendResponse(ids=["a\x1b[2Jb"], scores=bytes(4), payloads=[b"{}"], notes=["no \x1b[2J [bold]more"])
    answer.reasons.add().examples.add(record="\x07c", score=1)
    monkeypatch.setattr(fake, "_recommend", lambda *_: answer)
    shown = pretend("recommend", "notes", "--explain").stdout
    assert not {"\x1b", "\x07"} & set(shown)
    assert "[bold]more" in shown
    assert json.loads(pretend("recommend", "notes", "--json").stdout)["recommendations"][0]["id"] == "a\x1b[2Jb"
