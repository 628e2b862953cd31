"""Text encoders from a sentence-transformers folder of the BERT family.

config.json                         the transformer's shape
model.safetensors                   its weights; pickles are never opened
tokenizer.json                      its tokenizer; truncation and padding inside it are ignored
modules.json                        what follows the transformer: pooling, and unit length or not
1_Pooling/config.json               how tokens are pooled
sentence_bert_config.json           optional: the most tokens
config_sentence_transformers.json   optional: prompts
README.md                           optional: the licence, in its front matter
"""

import shutil
from pathlib import Path

from frostline.server.encoders.bundle import MODEL, TOKENIZER, Manifest
from frostline.server.encoders.graphs.bert import BertConfig, bert_layers, build_bert
from frostline.server.encoders.graphs.checkpoint import Checkpoint
from frostline.server.encoders.sources import tokenizer_file
from frostline.server.encoders.sources.checkpoint_files import (
    Module,
    PoolingConfig,
    PromptConfig,
    TokenizerConfig,
    TransformerConfig,
    read,
    read_license,
    read_optional,
)
from frostline.server.errors import InvalidInput

MODULES = "modules.json"

_CONFIG = "config.json"
_TRANSFORMER = "sentence_bert_config.json"


def build(folder: Path, into: Path, name: str) -> Manifest:
    """Builds the graph and copies the tokenizer.

    Args:
        folder: the folder described above.
        into: the bundle's folder; made if missing.
        name: of the encoder.

    Returns:
        What was built, without the hashes of its files.

    Raises:
        InvalidInput: a file or tensor is missing, damaged, or not what can be built from; says which and what to do.
    """
    modules = _modules(folder)
    transformer = folder / modules["Transformer"]
    config = read(transformer / _CONFIG, BertConfig)
    pooling = read(folder / modules["Pooling"] / _CONFIG, PoolingConfig).pooling()
    _check_tokenizer(transformer, config)
    model = build_bert(config, Checkpoint(transformer, "bert."), pooling)
    into.mkdir(parents=True, exist_ok=True)
    (into / MODEL).write_bytes(model.SerializeToString(deterministic=True))
    shutil.copyfile(transformer / TOKENIZER, into / TOKENIZER)
    layers = bert_layers(config)
    return Manifest(
        name=name,
        modality="text",
        layers=layers,
        default_layer=layers[-1].name,
        normalize="Normalize" in modules,
        pooling=pooling,
        max_tokens=_max_tokens(transformer, config),
        prompts=read_optional(folder / "config_sentence_transformers.json", PromptConfig).with_well_known(),
        license=read_license(folder / "README.md"),
    )


def _modules(folder: Path) -> dict[str, str]:
    """Path of each module by its kind."""
    modules = {module.type.rpartition(".")[2]: module.path for module in read(folder / MODULES, list[Module])}
    if not {"Transformer", "Pooling"} <= modules.keys() <= {"Transformer", "Pooling", "Normalize"}:
        listed = ", ".join(modules) or "nothing"
        raise InvalidInput(f"{MODULES} lists {listed}; Transformer, Pooling and, if need be, Normalize can be built")
    return modules


def _check_tokenizer(folder: Path, config: BertConfig) -> None:
    tokenizer = tokenizer_file.read(folder / TOKENIZER)
    largest = tokenizer_file.largest_id(tokenizer)
    if largest >= config.vocab_size:
        raise InvalidInput(f"{TOKENIZER} has token id {largest}; the weights end at {config.vocab_size - 1}")
    lowers = tokenizer.normalizer is not None and tokenizer.normalizer.normalize_str("A") == "a"
    if read_optional(folder / _TRANSFORMER, TransformerConfig).do_lower_case and not lowers:
        raise InvalidInput(f"{_TRANSFORMER} asks for do_lower_case and the tokenizer keeps case; this cannot be built")


def _max_tokens(folder: Path, config: BertConfig) -> int:
    asked = read_optional(folder / _TRANSFORMER, TransformerConfig).max_seq_length
    of_tokenizer = read_optional(folder / "tokenizer_config.json", TokenizerConfig).model_max_length
    limit = config.max_position_embeddings
    return min(int(asked or of_tokenizer or limit), limit)
