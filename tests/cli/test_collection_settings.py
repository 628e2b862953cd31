import pytest


def test_named_vectors_and_fields_are_created_in_order(pretended):
    told = pretended(
        "collections", "create", "made", "--vector", "title=tiny", "--vector", "photo=tiny", "--metric", "dot",
        "--field", "price=float", "--field", "author.name=keyword", "--index", "hnsw", "--min-recall", "0.99",
        "--durability", "relaxed",
    )  # fmt: skip
    assert [(name, field["encoder"], field["metric"]) for name, field in told["vectors"].items()] == [
        ("title", "tiny", "dot"),
        ("photo", "tiny", "dot"),
    ]
    assert told["fields"] == {"price": "float", "author.name": "keyword"}
    assert (told["index"], told["min_recall"], told["durability"]) == ("hnsw", 0.99, "relaxed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vector", "title"], "'title' is not NAME=ENCODER"),
        (["--vector", "=tiny"], "'=tiny' is not NAME=ENCODER"),
        (["--vector", "a=tiny", "--vector", "a=other"], "'a' is given twice"),
        (["--vector", "a=tiny", "--encoder", "tiny"], "excludes --encoder"),
        (["--vector", "a=tiny", "--no-normalize"], "excludes --encoder"),
        (["--field", "price=money"], "'money' of price is no kind; it is one of"),
        (["--min-recall", "1.5"], "'--min-recall'"),
    ],
)
def test_settings_that_cannot_be_meant_are_wrong_usage(fake, pretend, arguments, message):
    result = pretend("collections", "create", "made", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert fake.requests == []


def test_update_adds_and_drops_fields_and_leaves_the_rest(fake, pretended):
    told = pretended("collections", "update", "notes", "--field", "color=keyword", "--index", "flat")
    assert told["fields"] == {"n": "integer", "color": "keyword"}
    assert (told["index"], told["description"]) == ("flat", "Words")
    assert pretended("collections", "update", "notes", "--drop-field", "n")["fields"] == {"color": "keyword"}
    assert pretended("collections", "update", "notes", "--description", "")["description"] == ""
    masks = [list(request.update_mask.paths) for request in fake.of("UpdateCollection")]
    assert masks == [["fields", "index"], ["fields"], ["description"]]


def test_update_changes_the_query_prompt_of_the_vector_that_is_named(pretended):
    told = pretended("collections", "update", "products", "--vector", "photo", "--query-prompt", "find: ")
    prompts = {name: field["query_prompt"] for name, field in told["vectors"].items()}
    assert prompts == {"title": "", "photo": "find: "}


@pytest.mark.parametrize(("arguments", "message"), [([], "nothing to change"), (["--drop-field", "x"], "'x' is not")])
def test_an_update_of_nothing_is_wrong_usage(fake, pretend, arguments, message):
    result = pretend("collections", "update", "notes", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert fake.of("UpdateCollection") == []


def test_a_collection_is_shown_with_all_its_vectors(pretend):
    shown = pretend("collections", "show", "products").stdout
    assert "Vector title" in shown
    assert "Vector photo" in shown
    listed = pretend("collections", "list").stdout.splitlines()
    assert listed[0].split() == ["NAME", "RECORDS", "SIZE", "RECALL", "VECTORS", "DESCRIPTION"]
    assert "title: tiny, photo: tiny" in listed[2]


def test_rename(pretended):
    assert pretended("collections", "rename", "notes", "words")["name"] == "words"
    assert [found["name"] for found in pretended("collections", "list")] == ["products", "words"]
