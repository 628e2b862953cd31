from pathlib import Path

import numpy as np
import pytest

from fake_calls import Code, fails
from fake_encoders import SPACE, embedding
from fake_heads import ARCHIVE
from frostline.client import (
    Embeddings,
    Example,
    HeadFailed,
    Internal,
    InvalidInput,
    LabelledRecords,
    NotFound,
    SpaceMismatch,
    Timings,
    Trial,
    Unavailable,
)
from frostline.client._from_wire import space_of
from frostline.v1 import head_service_pb2 as v1
from frostline.v1.embedding_pb2 import EmbeddingSpace
from frostline.wire import tensors
from frostline.wire.reasons import Reason

PETS = [Example(text="miaow", label="cat"), Example(text="woof", label="dog"), Example(text="purr", label="cat")]
EYE = np.eye(4, dtype=np.float32)
TINY = space_of(SPACE)


def embeddings(space=TINY, errors=None):
    return Embeddings(EYE, errors or {}, space, [0] * 4, [False] * 4, Timings())


@pytest.fixture
def pets(client):
    return client.train_head("pets", PETS, encoder="tiny")


def test_a_trained_head_says_what_it_is_and_how_it_was_chosen(pets):
    assert (pets.name, pets.encoder, pets.space, pets.recipe, pets.coverage) == ("pets", "tiny", TINY, "auto", 0.9)
    version = pets.serving
    assert (version.version, version.state, version.recipe, version.strength) == (1, "ready", "ridge", 10.0)
    assert [(found.label, found.example_count) for found in version.classes] == [("cat", 2), ("dog", 1)]
    assert version.trials[0] == Trial("lda", 0.5, 0.75)
    assert (version.held_out_accuracy, version.exact_updates) == (0.875, True)
    assert version.create_time.year == 2001


def test_options_reach_the_server(fake, client):
    client.train_head(
        "pets",
        PETS,
        recipe="linear_svm",
        strength=2,
        balance_classes=True,
        descriptions={"owl": "a bird"},
        abstain_error=0.05,
        coverage=0.8,
        encoder="tiny",
        layer="layer-1",
        scaling="square_root",
        whiten=True,
        augment=2,
        adapt_to=embeddings(),
        description="Pets",
    )
    client.train_head("plain", PETS)
    full, plain = fake.of("CreateHead")
    assert full.options == v1.HeadOptions(
        recipe=v1.RECIPE_LINEAR_SVM,
        strength=2,
        balance_classes=True,
        descriptions={"owl": "a bird"},
        abstain_error=0.05,
        coverage=0.8,
        task=v1.HEAD_TASK_CLASS,
        scaling=v1.FEATURE_SCALING_SQUARE_ROOT,
        whiten=True,
        augment=2,
    )
    assert (full.head_id, full.description, full.encoder, full.layer) == ("pets", "Pets", "encoders/tiny", "layer-1")
    assert (tensors.decode(full.target) == EYE).all()
    assert full.target_space == SPACE
    assert plain.options == v1.HeadOptions(
        recipe=v1.RECIPE_AUTO, coverage=0.9, task=v1.HEAD_TASK_CLASS, scaling=v1.FEATURE_SCALING_NONE
    )
    assert not plain.HasField("target")
    assert not plain.HasField("target_space")


def test_progress_is_reported_until_the_head_is_ready(client):
    seen = []
    client.train_head("pets", PETS, progress=lambda *report: seen.append(report))
    assert seen == [("starting", 0.0), ("choosing", 0.25), ("fitting", 0.75), ("writing", 1.0)]


def test_without_waiting_the_head_comes_while_it_trains(fake, client):
    head = client.train_head("pets", PETS, wait=False)
    assert (head.versions[0].state, head.serving) == ("training", None)
    assert fake.of("WatchHead") == []


def test_a_failed_training_says_why_and_what_goes_on_serving(fake, client):
    fake.failure = "class 'dog' has no examples"
    with pytest.raises(HeadFailed, match=r"version 1 of head 'pets' .* no examples; change that and train it again$"):
        client.train_head("pets", PETS)
    fake.failure = ""
    client.train_head("pets", PETS)
    fake.failure = "interrupted: the server stopped; train again"
    with pytest.raises(HeadFailed, match=r"interrupted: the server stopped; train again; version 2 goes on serving$"):
        client.update_head("pets", PETS)


def test_a_broken_watch_is_begun_again_and_the_training_is_not(fake, client):
    fake.breaks["WatchHead"].extend([1, 0])
    assert client.train_head("pets", PETS).serving_version == 1
    assert (len(fake.of("CreateHead")), len(fake.of("WatchHead"))) == (1, 3)


def test_a_server_that_stays_away_ends_the_wait(fake, client):
    fake.faults["WatchHead"].extend([fails(Code.UNAVAILABLE, "gone", Reason.SHUTTING_DOWN)] * 6)
    with pytest.raises(Unavailable, match="gone; version 1 of head 'pets' was still being trained") as caught:
        client.train_head("pets", PETS)
    assert caught.value.reason == Reason.SHUTTING_DOWN


def test_a_watch_that_ends_too_early_is_the_servers_fault(fake, client, monkeypatch):
    monkeypatch.setattr(fake, "_finish", lambda head: None)
    with pytest.raises(Internal, match="version 1 of head 'pets' before it was ready"):
        client.train_head("pets", PETS)


def test_a_version_begun_meanwhile_does_not_hide_ours(fake, client, monkeypatch):
    finish = fake._finish

    def and_begin_another(head):
        finish(head)
        fake._begun(head, ["cat"], head.options)

    monkeypatch.setattr(fake, "_finish", and_begin_another)
    assert [version.state for version in client.train_head("pets", PETS).versions] == ["training", "ready"]


def test_texts_images_and_records_travel_as_they_are(fake, client, tmp_path):
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")
    examples = [
        Example(text="miaow", label="cat"),
        Example(image=b"\xff\xd8", label="dog"),
        Example(image=tmp_path / "cat.png", label="cat"),
        Example(record_id="7", label="owl"),
    ]
    records = LabelledRecords("notes", "kind", "n < 3", "title")
    client.train_head("pets", examples, encoder="tiny", records=records)
    sent = fake.of("CreateHead")[0].examples
    assert [(one.WhichOneof("kind"), one.label) for one in sent.examples] == [
        ("text", "cat"),
        ("image", "dog"),
        ("image", "cat"),
        ("record_id", "owl"),
    ]
    assert sent.examples[2].image == b"\x89PNG"
    assert (sent.records.collection, sent.records.field, sent.records.vector_name) == (
        "collections/notes",
        "kind",
        "title",
    )
    assert sent.records.filter.expression == "n < 3"
    assert sent.collection == "collections/notes"
    assert not sent.HasField("vectors")


def test_a_collection_that_is_named_is_the_one_of_record_ids(fake, client):
    client.train_head("a", [Example(record_id="7", label="owl")], collection="birds")
    client.train_head("b", [Example(record_id="7", label="owl")], collection="birds", records=LabelledRecords("c", "f"))
    assert [request.examples.collection for request in fake.of("CreateHead")] == ["collections/birds"] * 2


def test_values_of_a_filter_travel_beside_it(fake, client):
    client.train_head("a", records=LabelledRecords("notes", "kind", "n < $most", parameters={"most": 3}))
    assert dict(fake.of("CreateHead")[0].examples.records.filter.parameters) == {"most": b"3"}


def test_vectors_travel_as_one_tensor_whichever_way_they_came(fake, client):
    examples = [Example(vector=np.full(4, 0.5), label="dog"), Example(text="woof", label="dog")]
    client.train_head("pets", examples, encoder="tiny", vectors=EYE, labels=np.array([*"abcd"]))
    sent = fake.of("CreateHead")[0].examples
    np.testing.assert_array_equal(tensors.decode(sent.vectors), [*EYE, np.full(4, 0.5)])
    assert list(sent.labels) == [*"abcd", "dog"]
    assert [one.WhichOneof("kind") for one in sent.examples] == ["text"]
    assert not sent.HasField("space")


def test_the_space_of_embeddings_goes_with_them(fake, client):
    client.train_head("pets", vectors=embeddings(), labels=[*"aabb"])
    assert fake.of("CreateHead")[0].examples.space == SPACE


def test_what_is_too_large_for_a_request_is_embedded_before(fake, client, tmp_path):
    (tmp_path / "large.png").write_bytes(b"\x89" * 2_000_000)
    contents = [tmp_path / "large.png", b"\xff" * 2_000_000]
    examples = [*(Example(image=image, label="cat") for image in contents), Example(text="woof", label="dog")]
    seen = []
    client.train_head("pets", examples, encoder="tiny", progress=lambda *report: seen.append(report))
    sent = fake.of("CreateHead")[0].examples
    expected = [embedding(b"\x89" * 2_000_000), embedding(b"\xff" * 2_000_000), embedding(b"woof")]
    np.testing.assert_array_equal(tensors.decode(sent.vectors), expected)
    assert (list(sent.labels), list(sent.examples), sent.space) == (["cat", "cat", "dog"], [], SPACE)
    assert seen[0] == ("embedding", 0.0)


def test_what_shall_be_altered_travels_as_it_is_and_what_is_removed_as_ever(fake, client):
    large = [Example(text=letter * 1_800_000, label="dog") for letter in "ab"]
    head = client.train_head("pets", large, encoder="tiny", augment=2)
    assert (head.augment, client.get_head("pets").augment) == (2, 2)
    assert [example.text[0] for example in fake.of("CreateHead")[0].examples.examples] == ["a", "b"]
    client.update_head("pets", large, [Example(text="c" * 3_600_000, label="dog")])
    (request,) = fake.of("UpdateHead")
    assert [each.text[0] for each in request.added.examples] == ["a", "b"]
    assert not request.removed.examples
    assert tensors.decode(request.removed.vectors).shape == (1, 4)


@pytest.mark.parametrize("augment", [-1, 1.5, "two"])
def test_a_number_of_copies_that_is_none_is_refused(client, augment):
    with pytest.raises(InvalidInput, match="augment"):
        client.train_head("pets", PETS, augment=augment)


@pytest.mark.parametrize("method", ["update_head", "evaluate_head"])
def test_what_is_embedded_before_lives_in_the_space_of_the_head(fake, client, pets, method):
    fake.heads["heads/pets"].space.MergeFrom(EmbeddingSpace(layer="layer-1", dimensions=2))
    getattr(client, method)("pets", [Example(text="x" * 4_000_000, label="dog")])
    (request,) = fake.of("Embed")
    options = request.options
    assert (request.encoder, options.layer, options.dimensions, options.normalize) == (
        "encoders/tiny",
        "layer-1",
        2,
        True,
    )


def test_an_example_that_cannot_be_embedded_is_named(client):
    examples = [Example(image=b"x" * 4_000_000, label="a"), Example(record_id="r", label="a"), Example(text="bad")]
    with pytest.raises(InvalidInput, match=r"^example 2: this one is bad; leave it out$"):
        client.train_head("pets", examples, encoder="tiny", collection="notes")


def test_small_contents_are_not_embedded_by_the_client(fake, pets):
    assert fake.of("Embed", "EmbedStream") == []


async def test_examples_may_be_asynchronous(fake, aclient):
    async def examples():
        for example in PETS:
            yield example

    head = await aclient.train_head("pets", examples(), encoder="tiny")
    assert head.serving.example_count == 3


def test_an_update_names_what_comes_and_what_goes(fake, client, pets):
    head = client.update_head("pets", [Example(text="hoo", label="owl")], PETS[:1], ["dog"], collection="notes")
    (request,) = fake.of("UpdateHead")
    assert [one.text for one in request.added.examples] == ["hoo"]
    assert [one.text for one in request.removed.examples] == ["miaow"]
    assert list(request.removed_classes) == ["dog"]
    assert [found.label for found in head.serving.classes] == ["cat", "owl"]
    assert [version.version for version in head.versions] == [2, 1]


def test_heads_merge_by_name_and_by_archive(fake, client, pets, tmp_path):
    archive = client.export_head("pets", tmp_path / "pets.zip")
    merged = client.merge_heads("all", ["pets", archive, b"PK"], description="Both")
    parts = fake.of("MergeHeads")[0].parts
    assert [part.head or part.archive for part in parts] == ["heads/pets", ARCHIVE, b"PK"]
    assert (merged.name, merged.description) == ("all", "Both")


def test_a_call_that_is_tried_again_is_known_as_the_same(fake, client, pets):
    for method in ("CreateHead", "UpdateHead", "MergeHeads"):
        fake.faults[method] += [fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)]
    client.train_head("pets", PETS, encoder="tiny")
    client.update_head("pets", removed_classes=["dog"])
    client.merge_heads("both", ["pets", "pets"])
    for method in ("CreateHead", "UpdateHead", "MergeHeads"):
        first, again = (request.request_id for request in fake.of(method)[-2:])
        assert first == again != ""
    assert len({request.request_id for request in fake.of("CreateHead")}) == 2


def test_cancelling_is_one_call(client, pets):
    client.train_head("pets", PETS, wait=False)
    head = client.cancel_head("pets")
    assert (head.serving_version, head.versions[0].state) == (1, "failed")
    assert head.versions[0].failure.startswith("cancelled")


def test_rolling_back_is_one_call(client, pets):
    client.update_head("pets", PETS)
    assert client.rollback_head("pets").serving_version == 1
    assert client.rollback_head("pets", 2).serving_version == 2


def test_lists_go_through_all_pages(client):
    for number in range(5):
        client.train_head(f"h{number}", PETS, wait=False)
    assert [head.name for head in client.list_heads()] == [f"h{number}" for number in range(5)]


def test_an_export_appears_when_it_is_whole(fake, client, pets, tmp_path):
    path = tmp_path / "pets.onnx"
    path.write_bytes(b"before")
    fake.faults["ExportHead"].append(fails(Code.INTERNAL, "broken", Reason.INTERNAL))
    with pytest.raises(Internal):
        client.export_head("pets", path, "onnx")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("pets.onnx", b"before")]
    assert client.export_head("pets", str(path), "head-onnx", version=1) == path
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("pets.onnx", ARCHIVE)]
    first, second = fake.of("ExportHead")
    assert (first.format, second.format, second.version) == (v1.EXPORT_FORMAT_ONNX, v1.EXPORT_FORMAT_HEAD_ONNX, 1)


def test_a_file_that_cannot_be_written_is_named(client, pets, tmp_path):
    with pytest.raises(InvalidInput, match=r"none/pets\.zip: No such file"):
        client.export_head("pets", tmp_path / "none" / "pets.zip")


def test_a_head_that_is_not_there(client):
    with pytest.raises(NotFound):
        client.get_head("none")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.train_head("h", PETS[0]), "one Example was passed"),
        (lambda client: client.train_head("h", ["miaow"]), "must be Example objects, not str"),
        (lambda client: client.train_head("h", LabelledRecords("c", "f")), "pass it as records"),
        (lambda client: client.train_head("h", [Example(label="a")]), "example 0 needs one of"),
        (lambda client: client.train_head("h", [Example("a", b"b", label="a")]), "example 0 needs one of"),
        (
            lambda client: client.train_head("h", [*PETS, Example(image="a/1.jpg", label="a")]),
            "example 3: image 'a/1.jpg' is a str; pass its file as pathlib.Path",
        ),
        (lambda client: client.compare_encoders([Example(image="a.jpg", label="a")]), "example 0: .*pathlib.Path"),
        (
            lambda client: client.train_head("h", [*PETS, Example("a", label=3)]),
            "label of example 3: 3 is no str; labels are",
        ),
        (lambda client: client.train_head("h", [Example(record_id="a", label="a")]), "of which collection"),
        (lambda client: client.train_head("h", [Example(vector=np.ones((2, 2)))]), r"example 0: .* shape \(d,\)"),
        (lambda client: client.train_head("h", vectors=EYE), "labels are missing"),
        (lambda client: client.train_head("h", labels=["a"]), "vectors are missing"),
        (lambda client: client.train_head("h", vectors=EYE, labels="aabb"), "one str was passed"),
        (lambda client: client.train_head("h", vectors=EYE, labels=[*"abc"]), "4 vectors and 3 labels"),
        (lambda client: client.train_head("h", vectors=EYE, labels=["a", 2, 3, 4]), "of example 1: 2 is .*texts"),
        (
            lambda client: client.train_head("h", [Example(vector=np.ones(3))], vectors=EYE, labels=[*"abcd"]),
            "example 0: vectors of 4 and of 3 dimensions",
        ),
        (lambda client: client.train_head("h", PETS, records={"collection": "c"}), "must be a LabelledRecords"),
        (lambda client: client.train_head("h", PETS, recipe="forest"), "recipe 'forest' is unknown; it is one of auto"),
        (lambda client: client.train_head("h", PETS, strength="1"), "strength '1'"),
        (lambda client: client.train_head("h", PETS, abstain_error=1), "abstain_error 1"),
        (lambda client: client.train_head("h", PETS, coverage=0), "coverage 0 must be above 0"),
        (lambda client: client.train_head("h", PETS, descriptions={"a": 1}), "1 is no str"),
        (lambda client: client.train_head("\ud800", PETS), "no Unicode"),
        (lambda client: client.update_head("h", removed_classes="dog"), "one str was passed"),
        (lambda client: client.merge_heads("h", "ab"), "one str was passed"),
        (lambda client: client.merge_heads("h", [3]), "cannot merge a int"),
        (lambda client: client.merge_heads("h", ["a", Path(__file__)]), r"test_heads\.py is no archive of a head"),
        (
            lambda client: client.train_head("h", [*PETS, Example("a", labels=["a"])]),
            "example 3 has labels, where most have a label",
        ),
        (lambda client: client.export_head("h", "x", "pickle"), "format 'pickle' is unknown"),
        (lambda client: client.rollback_head("h", -1), "version -1"),
        (lambda client: client.evaluate_head("h", PETS, version=2**31), "version 2147483648"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_the_client(fake, client, call, message):
    with pytest.raises(InvalidInput, match=message):
        call(client)
    assert fake.requests == []


@pytest.mark.parametrize(
    "call",
    [
        lambda client, path: client.train_head("h", [Example(image=path, label="a")]),
        lambda client, path: client.merge_heads("h", ["a", path]),
    ],
)
def test_a_file_that_cannot_be_read_is_named_before_any_call(fake, client, tmp_path, call):
    with pytest.raises(InvalidInput, match=r"cannot read (image|archive) .*none\.bin: No such file"):
        call(client, tmp_path / "none.bin")
    assert fake.requests == []


def test_spaces_do_not_mix(fake, client):
    large = [Example(text="x" * 4_000_000, label="a")]
    other = embeddings(space_of(EmbeddingSpace(fingerprint="0", dimensions=4)))
    with pytest.raises(SpaceMismatch, match="two embedding spaces"):
        client.train_head("h", large, encoder="tiny", vectors=other, labels=[*"aabb"])
    assert fake.of("CreateHead") == []
