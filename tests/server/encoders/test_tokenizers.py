import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from frostline.server.encoders.bundle import MANIFEST, TOKENIZER, sha256_of
from frostline.server.encoders.encoder import Prepared
from frostline.server.encoders.sources import local_folder
from frostline.server.encoders.text import TextEncoder
from frostline.server.errors import InvalidInput
from tiny import tiny_bert


def rename_a_token(path: Path, old: str, new: str, number: int | None = None) -> None:
    description = json.loads(path.read_text())
    vocabulary = description["model"]["vocab"]
    vocabulary[new] = vocabulary.pop(old) if number is None else number
    description["added_tokens"] = [token for token in description["added_tokens"] if token["content"] != old]
    path.write_text(json.dumps(description))


@pytest.fixture
def bundle(tmp_path) -> Path:
    (tmp_path / "bundle").mkdir()
    local_folder.build(tiny_bert(tmp_path / "checkpoint"), tmp_path / "bundle", "tiny")
    return tmp_path / "bundle"


def seal(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"][TOKENIZER] = sha256_of(bundle / TOKENIZER)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def test_a_tokenizer_without_its_token_for_unknown_words_is_refused(bundle, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    for folder in (bundle, checkpoint):
        rename_a_token(folder / TOKENIZER, "[UNK]", "[UNUSED]")
    seal(bundle)
    for number, folder in enumerate((bundle, checkpoint)):
        into = tmp_path / str(number)
        into.mkdir()
        with pytest.raises(InvalidInput, match=r"tokenizer\.json fails on words it does not know"):
            local_folder.build(folder, into, "broken")


def test_a_bundle_whose_tokenizer_is_none_or_knows_more_tokens_than_the_graph_is_refused(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "larger")
    rename_a_token(tmp_path / "larger" / TOKENIZER, "dog", "dog", number=5000)
    (bundle / TOKENIZER).write_text("{")
    for number, (folder, said) in enumerate(((bundle, "is no tokenizer"), (tmp_path / "larger", "on token id 5000"))):
        seal(folder)
        into = tmp_path / str(number)
        into.mkdir()
        with pytest.raises(InvalidInput, match=said):
            local_folder.build(folder, into, "broken")


def test_a_text_that_cannot_be_tokenized_fails_alone(bundle):
    whole = TextEncoder(bundle, "cpu").prepare(["dog", "cat"])
    rename_a_token(bundle / TOKENIZER, "[UNK]", "[UNUSED]")
    first, failed, last = TextEncoder(bundle, "cpu").prepare(["dog", "東", "cat"])
    assert isinstance(failed, InvalidInput)
    assert "cannot be tokenized" in str(failed)
    for given, expected in zip((first, last), whole, strict=True):
        assert isinstance(given, Prepared)
        assert isinstance(expected, Prepared)
        np.testing.assert_array_equal(given.array, expected.array)
