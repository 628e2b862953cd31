import json

import pytest

from frostline.server.encoders.sources import sentence_transformers
from frostline.server.encoders.space import Pooling
from frostline.server.errors import InvalidInput
from tiny import tiny_bert


def manifest(folder):
    return sentence_transformers.build(folder, folder.parent / "bundle", "tiny")


def write(folder, name: str, content: object) -> None:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    return tiny_bert(tmp_path / "checkpoint")


def refused(folder) -> str:
    with pytest.raises(InvalidInput) as error:
        manifest(folder)
    return str(error.value)


def test_the_manifest_says_what_the_folder_says(folder):
    found = manifest(folder)
    assert (found.modality, found.pooling, found.normalize, found.max_tokens) == ("text", Pooling.MEAN, True, 64)
    assert [(layer.name, layer.dimensions) for layer in found.layers] == [
        ("embeddings", 32),
        ("layer-1", 32),
        ("layer-2", 32),
    ]
    assert (found.default_layer, found.license) == ("layer-2", "Apache-2.0")
    assert found.prompts == {"query": "", "document": ""}


def test_without_a_normalize_module_vectors_keep_their_length(folder):
    modules = json.loads((folder / "modules.json").read_text())
    write(folder, "modules.json", modules[:2])
    assert not manifest(folder).normalize


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode": "lasttoken"}, Pooling.LAST_TOKEN),
        ({"pooling_mode": ["cls"]}, Pooling.CLS),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, Pooling.CLS),
        ({"pooling_mode_lasttoken": True}, Pooling.LAST_TOKEN),
        ({"word_embedding_dimension": 32}, Pooling.MEAN),
    ],
)
def test_pooling_is_read_in_its_old_and_new_spelling(folder, config, pooling):
    write(folder, "1_Pooling/config.json", config)
    assert manifest(folder).pooling is pooling


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"pooling_mode": "weightedmean"}, "pools by weightedmean"),
        ({"pooling_mode": ["mean", "max"]}, "pools by mean + max"),
        ({"pooling_mode_max_tokens": True}, "pools by max"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "pools by mean + cls"),
        ({"pooling_mode": "mean", "include_prompt": False}, "include_prompt"),
        ({"pooling_mode": 7}, "pooling_mode"),
        ([], "config.json"),
    ],
)
def test_pooling_that_cannot_be_built_is_refused(folder, config, said):
    write(folder, "1_Pooling/config.json", config)
    assert said in refused(folder)


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ([], "lists nothing"),
        ([{"type": "a.Transformer", "path": ""}], "lists Transformer;"),
        (
            [
                {"type": "a.Transformer", "path": ""},
                {"type": "a.Pooling", "path": "1_Pooling"},
                {"type": "a.Dense", "path": "2_Dense"},
            ],
            "lists Transformer, Pooling, Dense",
        ),
        ([{"type": "a.Transformer", "path": "../checkpoint"}, {"type": "a.Pooling", "path": "1_Pooling"}], "0.path"),
        ([{"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": "/etc"}], "1.path"),
        ([{"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": ".."}], "1.path"),
        ({"type": "Transformer"}, "array"),
        ("{", "modules.json"),
        ("[" * 100_000, "modules.json"),
    ],
)
def test_modules_that_cannot_be_built_are_refused(folder, modules, said):
    write(folder, "modules.json", modules)
    assert said in refused(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "1_Pooling/config.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"{name.rpartition('/')[2]} is missing" in refused(folder)


def test_a_file_that_is_far_too_large_is_not_read(folder):
    with (folder / "config.json").open("ab") as file:
        file.truncate(5 << 20)
    assert "config.json has 5242880 bytes; at most" in refused(folder)


def test_a_tokenizer_with_ids_beyond_the_weights_is_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["surplus"] = 110
    write(folder, "tokenizer.json", tokenizer)
    assert "token id 110; the weights end at 109" in refused(folder)


def test_a_post_processor_with_ids_beyond_the_weights_is_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"]["special_tokens"]["[SEP]"]["ids"] = [70000]
    write(folder, "tokenizer.json", tokenizer)
    assert "token id 70000" in refused(folder)


def test_a_tokenizer_that_is_none_is_refused(folder):
    write(folder, "tokenizer.json", '{"model": {}}')
    assert "tokenizer.json is no tokenizer" in refused(folder)


def test_do_lower_case_needs_a_tokenizer_that_lowers(folder):
    write(folder, "sentence_bert_config.json", {"max_seq_length": 20, "do_lower_case": True})
    assert manifest(folder).max_tokens == 20
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    write(folder, "tokenizer.json", tokenizer)
    assert "do_lower_case" in refused(folder)


@pytest.mark.parametrize(
    ("transformer", "tokenizer", "tokens"),
    [
        ({"max_seq_length": 20}, {"model_max_length": 30}, 20),
        ({"max_seq_length": None}, {"model_max_length": 30}, 30),
        ({}, {"model_max_length": 1e30}, 80),
        ({"max_seq_length": 5000}, {}, 80),
    ],
)
def test_the_most_tokens_never_exceed_the_positions(folder, transformer, tokenizer, tokens):
    write(folder, "sentence_bert_config.json", transformer)
    write(folder, "tokenizer_config.json", tokenizer)
    assert manifest(folder).max_tokens == tokens


@pytest.mark.parametrize(
    ("config", "query", "document"),
    [
        ({"prompts": {"query": "q: ", "document": "d: "}}, "q: ", "d: "),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"s": "s: "}, "default_prompt_name": "s"}, "s: ", "s: "),
        ({"prompts": {"s": "s: "}, "default_prompt_name": None}, "", ""),
        ({}, "", ""),
    ],
)
def test_well_known_prompts_are_chosen_as_sentence_transformers_does(folder, config, query, document):
    write(folder, "config_sentence_transformers.json", config)
    prompts = manifest(folder).prompts
    assert (prompts["query"], prompts["document"]) == (query, document)
    assert prompts.items() >= config.get("prompts", {}).items()


@pytest.mark.parametrize(
    ("readme", "license_name"),
    [
        ("---\nlicense: mit\n---\n", "MIT"),
        ("---\ntags:\n- a\nlicense: 'cc-by-4.0'\n---\n", "cc-by-4.0"),
        ("# No front matter\nlicense: mit\n", ""),
        ("---\nlanguage: en\n---\nlicense: mit\n", ""),
    ],
)
def test_the_licence_comes_from_the_front_matter(folder, readme, license_name):
    write(folder, "README.md", readme)
    assert manifest(folder).license == license_name
