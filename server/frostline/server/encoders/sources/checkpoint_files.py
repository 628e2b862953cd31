"""The small files of a sentence-transformers folder: sizes checked, contents checked field by field."""

import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from frostline.server.encoders.space import Pooling
from frostline.server.errors import InvalidInput

_MAX_JSON_BYTES = 4 << 20
_FOLDER_NAME = r"^([A-Za-z0-9_][A-Za-z0-9_.-]*)?$"
_POOLING = {"mean": Pooling.MEAN, "cls": Pooling.CLS, "lasttoken": Pooling.LAST_TOKEN}
_SPDX = {"apache-2.0": "Apache-2.0", "mit": "MIT"}  # the hub writes them in lower case

_T = TypeVar("_T")


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Module(_Read):
    """An entry of `modules.json`.

    Attributes:
        type: dotted name of a class of sentence-transformers; its packages moved over the years.
        path: folder of its configuration; empty for the checkpoint's own.
    """

    type: str
    path: str = Field(default="", pattern=_FOLDER_NAME)


class PoolingConfig(_Read):
    """`1_Pooling/config.json`; before sentence-transformers 5.2, one flag for each kind instead of `pooling_mode`.

    Attributes:
        pooling_mode: one kind, or several that are joined.
        include_prompt: whether the prompt's tokens are pooled.
    """

    pooling_mode: str | list[str] | None = None
    include_prompt: bool = True
    pooling_mode_mean_tokens: bool = False
    pooling_mode_cls_token: bool = False
    pooling_mode_lasttoken: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False

    def pooling(self) -> Pooling:
        """The kind of pooling.

        Raises:
            InvalidInput: it is not one that can be built.
        """
        flags = {key.removeprefix("pooling_mode_"): on for key, on in self if key.startswith("pooling_mode_")}
        modes = self.pooling_mode or [re.sub("_tokens?$", "", key) for key, on in flags.items() if on] or "mean"
        modes = [modes] if isinstance(modes, str) else modes
        if len(modes) != 1 or modes[0] not in _POOLING:
            raise InvalidInput(
                f"the checkpoint pools by {' + '.join(modes)}; one of {', '.join(_POOLING)} can be built"
            )
        if not self.include_prompt:
            raise InvalidInput(
                "the checkpoint leaves prompts out of its pooling (include_prompt); this cannot be built"
            )
        return _POOLING[modes[0]]


class TransformerConfig(_Read):
    """`sentence_bert_config.json`.

    Attributes:
        max_seq_length: the most tokens.
        do_lower_case: whether texts become lower-case before the tokenizer.
    """

    max_seq_length: int | None = Field(default=None, gt=2)
    do_lower_case: bool = False


class TokenizerConfig(_Read):
    """`tokenizer_config.json`.

    Attributes:
        model_max_length: the most tokens where `max_seq_length` says nothing; 1e30 stands for no limit.
    """

    model_max_length: float | None = Field(default=None, gt=2)


class PromptConfig(_Read):
    """`config_sentence_transformers.json`.

    Attributes:
        prompts: prefixes by name.
        default_prompt_name: the one taken when none is asked for.
    """

    prompts: dict[str, str] = {}
    default_prompt_name: str | None = None

    def with_well_known(self) -> dict[str, str]:
        """The prompts, with `query` and `document` as `encode_query` and `encode_document` would choose them."""
        default = self.prompts.get(self.default_prompt_name or "", "")
        document = next(
            (self.prompts[key] for key in ("document", "passage", "corpus") if key in self.prompts), default
        )
        return {"query": default, "document": document} | self.prompts


def read(path: Path, kind: type[_T]) -> _T:
    """Reads a JSON file.

    Args:
        path: the file.
        kind: what it must hold.

    Raises:
        InvalidInput: it is missing, too large, or holds something else; names the field.
    """
    if not path.is_file():
        raise InvalidInput(f"{path.name} is missing; is {path.parent.name!r} a sentence-transformers folder?")
    check_size(path, _MAX_JSON_BYTES)
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidInput(f"{path.name}: {_sentence(error)}; this checkpoint cannot be built") from error


def read_optional(path: Path, kind: type[_T]) -> _T:
    """Reads a JSON file; the defaults where it is missing."""
    return read(path, kind) if path.exists() else kind()


def read_license(path: Path) -> str:
    """The licence in the front matter of a `README.md`, an SPDX identifier where it is a common one; else empty."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        front = re.match(r"---\n(.*?)\n---", file.read(_MAX_JSON_BYTES), re.DOTALL)
    found = re.search(r"^license: *[\"']?([^\s\"']+)", front[1], re.MULTILINE) if front else None
    return _SPDX.get(found[1], found[1]) if found else ""


def check_size(path: Path, limit: int) -> None:
    """Refuses a file before it is read into memory.

    Raises:
        InvalidInput: it has more bytes than the limit.
    """
    if path.stat().st_size > limit:
        raise InvalidInput(f"{path.name} has {path.stat().st_size} bytes; at most {limit} are read")


def _sentence(error: ValidationError) -> str:
    first: Any = error.errors()[0]
    field, value = ".".join(map(str, first["loc"])), first["input"]
    shown = f" is {value!r}" if isinstance(value, str | int | float) and len(str(value)) < 100 else ""
    return f"{field}{shown}: {first['msg']}" if field else str(first["msg"])
