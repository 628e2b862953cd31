from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from frostline.server.encoders import session as session_module
from frostline.server.encoders.encoder import Prepared, Truncate
from frostline.server.encoders.sources import local_folder
from frostline.server.encoders.text import TextEncoder
from frostline.server.errors import DataDamaged, InvalidInput, NotFound
from tiny import MAX_TOKENS, tiny_bert

LONG = "the key " + "dog " * 100 + "red house"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "bundle").mkdir()
    local_folder.build(tiny_bert(folder / "checkpoint"), folder / "bundle", "tiny")
    return folder / "bundle"


@pytest.fixture
def encoder(bundle):
    return TextEncoder(bundle, "cpu")


def one(encoder, text, **options) -> Prepared:
    (result,) = encoder.prepare([text], **options)
    assert isinstance(result, Prepared)
    return result


def test_a_short_text_keeps_all_its_tokens_whatever_the_tokenizer_file_says(encoder):
    """The file asks for truncation to 32 and padding to 32, as the published one asks for 128."""
    result = one(encoder, "dog " * 50)
    assert (result.length, result.tokens, result.truncated) == (52, 52, False)
    assert one(encoder, "dog").length == 3


def test_an_empty_text_is_its_special_tokens(encoder):
    result = one(encoder, "")
    assert (result.array.tolist(), result.tokens, result.truncated) == ([2, 3], 2, False)
    assert np.linalg.norm(encoder.run([result], "layer-2", normalize=True)) == pytest.approx(1, abs=1e-6)


def test_truncation_cuts_the_side_that_is_asked_for(encoder):
    whole = [*one(encoder, "the key").array[1:-1], *one(encoder, "red house").array[1:-1]]
    right, left = one(encoder, LONG), one(encoder, LONG, truncate=Truncate.LEFT)
    for result in (right, left):
        assert (result.tokens, result.length, result.truncated) == (MAX_TOKENS, MAX_TOKENS, True)
        assert (result.array[0], result.array[-1]) == (2, 3)
    assert right.array[1:3].tolist() == whole[:2]
    assert left.array[-3:-1].tolist() == whole[2:]


def test_a_text_of_exactly_the_most_tokens_is_not_truncated(encoder):
    text = "dog " * (MAX_TOKENS - 2)
    for truncate in Truncate:
        assert not one(encoder, text, truncate=truncate).truncated
    assert one(encoder, text + "dog").truncated


def test_truncate_error_fails_the_item_with_count_and_limit(encoder):
    fine, failed = encoder.prepare(["dog", LONG], truncate=Truncate.ERROR)
    assert isinstance(fine, Prepared)
    assert isinstance(failed, InvalidInput)
    assert "106 tokens" in str(failed)
    assert "reads 64" in str(failed)


def test_the_prompt_is_put_before_each_text(encoder):
    with_prompt, plain = one(encoder, "dog", prefix="the key "), one(encoder, "the key dog")
    assert with_prompt.array.tolist() == plain.array.tolist()


def test_a_bad_item_fails_alone(bundle):
    encoder = TextEncoder(bundle, "cpu", max_characters=10)
    results = encoder.prepare(["dog", b"\x89PNG", "x" * 11, "x" * 10], prefix="")
    assert [type(result) for result in results] == [Prepared, InvalidInput, InvalidInput, Prepared]
    assert "takes texts, not images" in str(results[1])
    assert "11 characters" in str(results[2])
    assert isinstance(encoder.prepare(["x" * 10], prefix="y")[0], InvalidInput)


def test_all_items_may_be_bad(encoder):
    assert [type(result) for result in encoder.prepare([b"a", b"b"])] == [InvalidInput, InvalidInput]


def test_a_layer_that_is_not_there_is_refused(encoder):
    with pytest.raises(NotFound, match="layer-1, layer-2"):
        encoder.run([one(encoder, "dog")], "layer-9", normalize=True)


def test_threads_do_not_disturb_each_other(encoder):
    expected = {side: one(encoder, LONG, truncate=side).array.tolist() for side in (Truncate.LEFT, Truncate.RIGHT)}
    layers = [layer.name for layer in encoder.manifest.layers]
    vectors = {layer: encoder.run([one(encoder, "dog")], layer, normalize=True) for layer in layers}

    def work(number: int) -> bool:
        side = list(expected)[number % 2]
        layer = layers[number % 3]
        same_tokens = one(encoder, LONG, truncate=side).array.tolist() == expected[side]
        found = encoder.run([one(encoder, "dog")], layer, normalize=True)
        return same_tokens and bool(np.abs(found - vectors[layer]).max() < 1e-6)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))


def test_only_a_few_graphs_are_kept_and_each_is_made_once(bundle, monkeypatch):
    made: list[str] = []
    session = session_module.Session

    def counting(model, outputs, device, threads):
        made.extend(outputs)
        return session(model, outputs, device, threads)

    monkeypatch.setattr(session_module, "Session", counting)
    encoder = TextEncoder(bundle, "cpu")
    ready = [one(encoder, "dog")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: encoder.run(ready, "layer-1", normalize=True), range(16)))
    assert made == ["layer-2.normalized", "layer-1.normalized"]
    for layer in ("embeddings", "layer-1", "layer-2"):
        encoder.run(ready, layer, normalize=False)
    assert len(made) == 5
    encoder.run(ready, "layer-2", normalize=True)  # the default, which is always kept
    assert len(made) == 5
    encoder.run(ready, "layer-1", normalize=True)  # the fifth pushed it out
    assert made[5:] == ["layer-1.normalized"]


def test_a_damaged_tokenizer_is_named(bundle, tmp_path):
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataDamaged, match=r"tokenizer\.json"):
        TextEncoder(tmp_path, "cpu")
