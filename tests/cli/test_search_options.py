"""What `frostline search` asks a server for, and how it shows an explanation."""

from frostline.v1 import search_service_pb2 as v1


def test_every_option_arrives(fake, pretend):
    result = pretend(
        "search", "notes", "note 3", "--limit", "7", "--offset", "1", "--filter", "n < $n", "--param", "n=4",
        "--mode", "hybrid", "--keywords", "words", "--vector", "photo", "--min-score", "-0.5", "--diversity", "0.25",
        "--group-by", "color", "--max-per-group", "2", "--keyword-weight", "0.5", "--exact", "--explain",
    )  # fmt: skip
    assert result.exit_code == 0
    expected = v1.SearchRecordsRequest(
        collection="collections/notes",
        queries=[v1.Query(text="note 3", keywords="words")],
        limit=7,
        include_payloads=True,
        vector_name="photo",
        offset=1,
        min_score=-0.5,
        mode=v1.SEARCH_MODE_HYBRID,
        diversity=0.25,
        grouping=v1.Grouping(path="color", max_per_group=2),
        fusion=v1.Fusion(method=v1.FUSION_METHOD_RECIPROCAL_RANK, keyword_weight=0.5, rank_constant=60),
        exact=True,
        explain=True,
    )
    expected.filter.expression = "n < $n"
    expected.filter.parameters["n"] = b"4"
    assert fake.of("SearchRecords") == [expected]


def test_an_explanation_is_a_table_in_80_columns(pretend, monkeypatch):
    monkeypatch.setattr("frostline.cli.output._WIDTH_OF_A_LOG", 80)
    shown = pretend("search", "notes", "note 3", "--filter", "n < 4", "--explain").stdout.splitlines()
    assert max(map(len, shown)) <= 80
    start = next(index for index, line in enumerate(shown) if line.startswith("Recall"))
    assert shown[start - 2].endswith("recall 0.950")
    assert shown[start] == "Recall  0.950 expected"
    assert "lets 25 % of records through; row by row for color" in shown[start + 1]
    assert shown[start + 3] == "Time    filter 1.0 ms, vectors 2.0 ms, reading 0.5 ms"
    assert shown[-3].split() == ["PART", "PLAN", "MATCHING", "COMPARED", "LISTS", "RECALL", "VERIFIED"]
    assert shown[-2].split() == ["segment", "0", "IVF_PQ", "500", "9,000", "16", "0.960", "not", "yet"]
    assert shown[-1].split() == ["tail", "exact", "scan", "20", "20", "1.000", "yes"]


def test_json_has_groups_recall_and_the_explanation(pretended):
    told = pretended("search", "notes", "note 3", "--group-by", "color", "--explain", "--limit", "2")
    assert [hit["group"] for hit in told["hits"]] == [hit["payload"]["color"] for hit in told["hits"]]
    assert told["recall"] == 0.95
    assert [step["part"] for step in told["explanation"]["steps"]] == ["segment 0", "tail"]
    assert pretended("search", "notes", "note 3")["explanation"] is None


def test_words_alone_are_a_query(fake, pretended):
    pretended("search", "notes", "--mode", "keyword", "--keywords", "note")
    assert fake.of("SearchRecords")[0].queries[0].keywords == "note"


def test_an_impossible_port_is_one_line(pretend):
    result = pretend("encoders", "list", "--target", "localhost:70000")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "port 70000" in result.stderr
    assert "65535" in result.stderr
