def test_list_shows_each_collection(frostline, answer):
    shown = frostline("collections", "list")
    assert shown.exit_code == 0
    assert shown.stdout.split()[:4] == ["NAME", "RECORDS", "SIZE", "RECALL"]
    (row,) = [line for line in shown.stdout.splitlines() if line.startswith("animals ")]
    assert "1.000" in row.split()
    assert [found["record_count"] for found in answer("collections", "list") if found["name"] == "animals"] == [4]


def test_show_tells_what_is_fixed(frostline, answer):
    told = answer("collections", "show", "animals")
    assert told["vectors"]["default"]["space"]["dimensions"] == 32
    assert told["create_time"].endswith("+00:00")
    shown = frostline("collections", "show", "animals").stdout
    assert "Pets and things" in shown
    assert "recall at least 0.95, measured 1.000" in shown
    assert told["recall"] == 1.0
    assert "tiny" in shown


def test_create_passes_every_option_on(answer):
    told = answer(
        "collections", "create", "made", "--encoder", "tiny", "--dimensions", "8", "--metric", "dot",
        "--layer", "embeddings", "--no-normalize", "--document-prompt", "d: ", "--query-prompt", "q: ",
        "--description", "all set", "--no-keep-content", "--field", "price=float", "--index", "flat",
        "--min-recall", "0.9", "--durability", "relaxed",
    )  # fmt: skip
    default = told["vectors"]["default"]
    assert default["space"] | {"fingerprint": ""} == {
        "fingerprint": "",
        "layer": "embeddings",
        "pooling": "mean",
        "dimensions": 8,
        "normalize": False,
    }
    vector = [default[name] for name in ("encoder", "metric", "document_prompt", "query_prompt")]
    assert vector == ["tiny", "dot", "d: ", "q: "]
    kept = ("description", "keep_content", "fields", "index", "min_recall", "durability")
    assert [told[name] for name in kept] == ["all set", False, {"price": "float"}, "flat", 0.9, "relaxed"]
    assert answer("collections", "delete", "made", "--yes") == {"deleted": "made"}


def test_create_of_plain_vectors(answer):
    made = answer("collections", "create", "vectors", "--dimensions", "3")
    assert made["vectors"]["default"]["encoder"] == ""
    answer("collections", "delete", "vectors", "--yes")


def test_create_refuses_a_name_that_is_taken(refusal):
    assert "animals" in refusal("collections", "create", "animals", "--encoder", "tiny")


def test_delete_without_a_terminal_needs_yes(refusal, answer):
    said = refusal("collections", "delete", "animals")
    assert "4 records" in said
    assert "--yes" in said
    assert answer("collections", "show", "animals")["record_count"] == 4


def test_delete_asks_at_a_terminal_and_takes_no_for_an_answer(frostline, answer, monkeypatch):
    monkeypatch.setattr("typer.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    answer("collections", "create", "asked", "--dimensions", "3")
    refused = frostline("collections", "delete", "asked", input="n\n")
    assert refused.exit_code == 1
    assert answer("collections", "show", "asked")["name"] == "asked"
    assert frostline("collections", "delete", "asked", input="y\n").exit_code == 0
    assert "asked" not in [found["name"] for found in answer("collections", "list")]
