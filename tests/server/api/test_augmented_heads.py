"""Heads that learn from altered copies of texts and images too."""

import io

import numpy as np
import pytest
from PIL import Image

from frostline.server.api import learned_examples
from frostline.server.heads import artifact, examples
from frostline.server.heads.head_files import ARTIFACT
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import head_service_pb2 as h
from raw import create_request, record, refused, upsert_request, vector

RIDGE = h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=1, augment=2)
TEXTS = [
    ("the red cat and the blue dog", "animal"),
    ("a house that is red and a head", "building"),
    ("blue cat is a dog", "animal"),
    ("house", "building"),
]


def of_texts(*chosen):
    return h.Examples(examples=[h.Example(text=text, label=label) for text, label in chosen])


def create(given, options=RIDGE, encoder="encoders/tiny", **more):
    return h.CreateHeadRequest(head_id="sides", encoder=encoder, examples=given, options=options, **more)


def picture(shade, side=24):
    file = io.BytesIO()
    pixels = np.full((side, side + 6, 3), shade, np.uint8)
    pixels[: side // 2, : side // 3] = 255 - pixels[0, 0]
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


async def trained(server, answer, name="sides"):
    """Waits for a training; gives the newest version, and the examples that are kept of it."""
    begun = await answer
    watched = server.calls.WatchHead(h.WatchHeadRequest(name=begun.name))
    reports = [report async for report in watched]
    progress = [report.progress for report in reports]
    assert progress == sorted(progress)
    version = reports[-1].head.versions[0]
    assert version.state == h.HEAD_STATE_READY, version.failure
    (folder,) = (server.data_dir / "heads" / name).glob(f"{version.version}.*/examples")
    return version, examples.load(folder)


def sums(server, name, version):
    (folder,) = (server.data_dir / "heads" / name).glob(f"{version}.*")
    return artifact.read(folder / ARTIFACT).moments


async def said(call):
    return (await refused(call)).details()


def counts(version):
    return {each.label: each.example_count for each in version.classes}


async def test_copies_of_texts_are_learned_from_and_not_counted(server):
    calls = server.calls
    options = h.HeadOptions(descriptions={"animal": "cat dog"})
    options.MergeFrom(RIDGE)
    version, kept = await trained(server, calls.CreateHead(create(of_texts(*TEXTS), options)))
    assert (version.example_count, counts(version)) == (4, {"animal": 2, "building": 2})
    assert kept.origins.tolist() == [0, 1, 2, 3, 4, 0, 0, 1, 1, 2, 2]  # one word has no copies, nor has a description
    assert kept.described.tolist() == [False] * 4 + [True] + [False] * 6
    assert (kept.targets == kept.targets[kept.origins]).all()
    copies = ~kept.originals
    assert (np.abs(kept.features[copies] - kept.features[kept.origins[copies]]).max(axis=1) > 1e-3).all()
    assert (await calls.GetHead(h.GetHeadRequest(name="heads/sides"))).options.augment == 2


async def test_updates_add_and_remove_copies_too(server):
    calls = server.calls
    await trained(server, calls.CreateHead(create(of_texts(*TEXTS))))
    update = h.UpdateHeadRequest(
        name="heads/sides",
        added=of_texts(("the dog is a red cat", "animal"), ("head and house", "thing"), ("cat", "thing")),
        removed=of_texts(TEXTS[0]),
    )
    version, kept = await trained(server, calls.UpdateHead(update))
    assert counts(version) == {"animal": 2, "building": 2, "thing": 2}
    assert kept.origins.tolist() == [0, 1, 2, 0, 0, 1, 1, 7, 8, 9, 7, 7, 8, 8]
    texts = [*TEXTS[1:], ("the dog is a red cat", "animal"), ("head and house", "thing"), ("cat", "thing")]
    at_once = create(of_texts(*texts))
    at_once.head_id = "once"
    expected, everything = await trained(server, calls.CreateHead(at_once), "once")
    assert counts(expected) == counts(version)
    assert sorted(map(tuple, kept.features.round(4).tolist())) == sorted(
        map(tuple, everything.features.round(4).tolist())
    )
    mine, theirs = sums(server, "sides", 2), sums(server, "once", 1)
    assert mine.counts.tolist() == theirs.counts.tolist() == [2, 2, 2]
    np.testing.assert_allclose(mine.sums, theirs.sums, atol=1e-4)
    np.testing.assert_allclose(mine.grams, theirs.grams, atol=1e-4)


async def test_images_are_cropped_and_mirrored(server, monkeypatch):
    monkeypatch.setattr(learned_examples, "_TOGETHER", 3)
    given = [h.Example(image=picture(shade), label="dark" if shade < 128 else "bright") for shade in (10, 60, 190, 240)]
    version, kept = await trained(
        server, server.calls.CreateHead(create(h.Examples(examples=given), encoder="encoders/tiny-image"))
    )
    assert counts(version) == {"bright": 2, "dark": 2}
    assert kept.origins.tolist() == [0, 1, 2, 3, 0, 0, 1, 1, 2, 2, 3, 3]
    assert len(np.unique(kept.features.round(5), axis=0)) == 12
    answer = await server.calls.Predict(
        h.PredictRequest(head="heads/sides", inputs=[pb.Input(image=picture(30)), pb.Input(image=picture(210))])
    )
    assert [answer.classes[place] for place in answer.labels] == ["dark", "bright"]


async def test_an_image_that_cannot_be_read_fails_as_without_copies(server):
    given = [h.Example(image=picture(10), label="dark"), h.Example(image=picture(9)[:-40], label="bright")]
    request = create(h.Examples(examples=given), encoder="encoders/tiny-image")
    await server.calls.CreateHead(request)
    reports = [each async for each in server.calls.WatchHead(h.WatchHeadRequest(name="heads/sides"))]
    assert "example 1: image (PNG" in reports[-1].head.versions[0].failure


async def test_vectors_and_records_have_no_copies(server):
    calls = server.calls
    await calls.CreateCollection(create_request(dimensions=16))
    await calls.UpsertRecords(upsert_request(record("a", vector=np.ones(16)), record("b", vector=-np.ones(16))))
    stored = [h.Example(record_id="a", label="animal"), h.Example(vector=vector(-np.ones(16)), label="building")]
    given = h.Examples(examples=stored, collection="collections/notes")
    message = "augment alters texts and images, and all examples are vectors or records"
    assert message in await said(calls.CreateHead(create(given, encoder="")))
    descriptions = h.HeadOptions(augment=1, descriptions={"work": "trained head"})
    assert message in await said(calls.CreateHead(create(h.Examples(), descriptions)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (h.HeadOptions(augment=9), "augment 9 is out of range"),
        (h.HeadOptions(augment=-1), "augment -1 is out of range"),
        (h.HeadOptions(augment=1, recipe=h.RECIPE_NEAREST_NEIGHBORS), "nearest_neighbors cannot weigh copies"),
        (h.HeadOptions(augment=1, task=h.HEAD_TASK_VALUE), "only heads of classes learn from altered copies"),
    ],
)
async def test_options_that_do_not_go_together_are_refused(server, options, message):
    assert message in await said(server.calls.CreateHead(create(of_texts(*TEXTS), options)))


async def test_too_many_copies_are_refused(server, monkeypatch):
    monkeypatch.setattr(learned_examples, "MOST_EXAMPLES", 11)
    assert "12 examples and altered copies are too many" in await said(
        server.calls.CreateHead(create(of_texts(*TEXTS)))
    )


async def test_transfer_is_measured_on_examples_as_they_are(server):
    request = h.MeasureTransferRequest(encoder="encoders/tiny", examples=of_texts(*TEXTS), options=RIDGE)
    assert "leave augment out" in await said(anext(aiter(server.calls.MeasureTransfer(request))))


async def test_heads_of_different_numbers_of_copies_are_not_merged(server):
    calls = server.calls
    await trained(server, calls.CreateHead(create(of_texts(*TEXTS))))
    plain = create(of_texts(*TEXTS), h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=1))
    plain.head_id = "plain"
    await trained(server, calls.CreateHead(plain), "plain")
    parts = [h.MergePart(head=f"heads/{name}") for name in ("sides", "plain")]
    merge = h.MergeHeadsRequest(head_id="both", parts=parts)
    assert "heads with different augment (2 of head 'sides', 0 of head 'plain') cannot be merged" in await said(
        calls.MergeHeads(merge)
    )
