"""Text encoders: texts to embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from frostline.server.encoders.bundle import MODEL, TOKENIZER, Manifest, load_manifest
from frostline.server.encoders.encoder import Content, Prepared, Truncate
from frostline.server.encoders.session import Sessions
from frostline.server.errors import DataDamaged, InvalidInput

MAX_CHARACTERS = 1_000_000


class TextEncoder:
    """Embeds texts with the graph and tokenizer of a bundle. Satisfies `Encoder`.

    Args:
        folder: the bundle.
        device: `auto`, `cpu` or `cuda:N`.
        threads: of the graph; 0 takes one for each core.
        max_characters: the most characters of a text, its prompt included; a longer one fails its item. Tokenizing
            takes time and memory by the character, also of what is cut away afterwards.

    Raises:
        NotFound: the folder holds no bundle.
        DataDamaged: its manifest or tokenizer cannot be read.
        InvalidInput: the manifest is not one of a text encoder, or the graph cannot run.
    """

    def __init__(
        self, folder: Path, device: str = "auto", threads: int = 0, max_characters: int = MAX_CHARACTERS
    ) -> None:
        self._manifest = load_manifest(folder)
        if self._manifest.modality != "text" or not self._manifest.max_tokens:
            raise InvalidInput(f"encoder {self._manifest.name!r} is no text encoder with a maximum of tokens")
        self._fingerprint = self._manifest.fingerprint()
        self._max_characters = max_characters
        self._tokenizers = {side: _tokenizer(folder / TOKENIZER, self._manifest.max_tokens, side) for side in Truncate}
        self._sessions = Sessions(folder / MODEL, self._output("", self._manifest.normalize), device, threads)

    @property
    def manifest(self) -> Manifest:
        """What the encoder is."""
        return self._manifest

    @property
    def fingerprint(self) -> str:
        """Hash of all that changes its output, 64 hexadecimal digits."""
        return self._fingerprint

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`."""
        return self._sessions.device

    def prepare(
        self, contents: Sequence[Content], prefix: str = "", truncate: Truncate = Truncate.RIGHT
    ) -> list[Prepared | InvalidInput]:
        """Tokenizes texts.

        Args:
            contents: n texts; an empty one is fine.
            prefix: the prompt put before each.
            truncate: what happens to a text of more than `manifest.max_tokens` tokens.

        Returns:
            n results in the same order; an error for each input that is no text, too long, or not to be tokenized.
        """
        texts = {
            index: prefix + content
            for index, content in enumerate(contents)
            if isinstance(content, str) and len(prefix) + len(content) <= self._max_characters
        }
        encodings = _encode(self._tokenizers[truncate], list(texts.values()))
        results = dict(zip(texts, map(self._prepared, encodings), strict=True))
        return [results.get(index) or self._refusal(content) for index, content in enumerate(contents)]

    def run(self, batch: Sequence[Prepared], layer: str, normalize: bool) -> NDArray[np.float32]:
        """Runs the graph up to a layer.

        Args:
            batch: n prepared texts, padded here to the longest.
            layer: one of `manifest.layers`.
            normalize: whether rows get unit length.

        Returns:
            float32 of shape (n, d), d the layer's dimensions.

        Raises:
            NotFound: the encoder has no such layer, or was deleted.
        """
        shape = len(batch), max(prepared.length for prepared in batch)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, prepared in enumerate(batch):
            ids[row, : prepared.length] = prepared.array
            mask[row, : prepared.length] = 1
        session = self._sessions.get(self._output(layer, normalize))
        vectors: NDArray[np.float32] = session.run({"input_ids": ids, "attention_mask": mask})[0]
        if normalize and not self._manifest.layer(layer).normalized_output:
            return self._manifest.space(layer, normalize=True).fit(vectors)
        return vectors

    def close(self) -> None:
        """Frees the graphs; what is under way ends first."""
        self._sessions.close()

    def _output(self, layer: str, normalize: bool) -> str:
        taken = self._manifest.layer(layer)
        return taken.normalized_output if normalize and taken.normalized_output else taken.output

    def _refusal(self, content: Content) -> InvalidInput:
        if not isinstance(content, str):
            return InvalidInput(f"encoder {self._manifest.name!r} takes texts, not images; send a text")
        limit = self._max_characters
        return InvalidInput(f"text of {len(content)} characters with its prompt is above the limit of {limit}; cut it")

    def _prepared(self, encoding: Encoding | InvalidInput) -> Prepared | InvalidInput:
        if isinstance(encoding, InvalidInput):
            return encoding
        count, limit = len(encoding.ids), self._manifest.max_tokens
        if count > limit:
            return InvalidInput(
                f"text has {count} tokens, encoder {self._manifest.name!r} reads {limit}; "
                "shorten it, or ask for truncate RIGHT or LEFT"
            )
        if not count:
            return InvalidInput(f"text has no tokens that encoder {self._manifest.name!r} knows; send another")
        return Prepared(np.array(encoding.ids, np.int64), count, count, truncated=bool(encoding.overflowing))


def _encode(tokenizer: Tokenizer, texts: list[str]) -> list[Encoding] | list[Encoding | InvalidInput]:
    try:
        return tokenizer.encode_batch_fast(texts)
    except Exception:  # the library raises Exception itself, and does not say for which text
        return [_encode_alone(tokenizer, text) for text in texts]


def _encode_alone(tokenizer: Tokenizer, text: str) -> Encoding | InvalidInput:
    try:
        return tokenizer.encode_batch_fast([text])[0]
    except Exception as error:
        return InvalidInput(f"text cannot be tokenized: {error}; send another")


def _tokenizer(path: Path, max_tokens: int, truncate: Truncate) -> Tokenizer:
    """One for each side: a tokenizer keeps its truncation, and threads would change it under each other."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise DataDamaged(f"{path} is no tokenizer: {error}; delete the encoder and add it again") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if truncate is not Truncate.ERROR:
        # Its options have no annotations.
        cast("Any", tokenizer).enable_truncation(max_tokens, direction=truncate.value)
    return tokenizer
