"""The part of `Client` that lists, runs and administers encoders."""

from collections.abc import Iterable
from pathlib import Path

from frostline.client._blocking import run
from frostline.client._encoders import Progress
from frostline.client._operations import Operations
from frostline.client.resources import Check, Encoder
from frostline.client.types import Dtype, Embeddings, Input, Truncate


class EncoderMethods:
    """Lists, runs and administers encoders."""

    _operations: Operations

    def embed(
        self,
        inputs: Iterable[Input],
        encoder: str,
        *,
        prompt: str | None = None,
        prefix: str | None = None,
        dimensions: int = 0,
        normalize: bool | None = None,
        dtype: Dtype = "float32",
        truncate: Truncate = "right",
        layer: str = "",
        batch_size: int = 64,
        timeout_seconds: float | None = None,
    ) -> Embeddings:
        """Embeds texts, images or vectors. Large inputs are cut and streamed.

        Args:
            inputs: n texts, image files (bytes or paths), or vectors; an array of shape (n, d) is n vectors.
            encoder: the encoder's name.
            prompt: name of one of the encoder's prompts, put before each text; none when None.
            prefix: put before each text word for word, instead of a named prompt.
            dimensions: the first so many are kept, and normalised again; 0 keeps all.
            normalize: whether vectors get unit length; the encoder's own default when None.
            dtype: how vectors travel. They arrive as float32 in any case: `float16` and `int8` rounded, `binary` as
                -1 and 1.
            truncate: which side of a text that is too long is cut away; `error` fails the item instead.
            layer: the depth of the encoder to take; its default when empty.
            batch_size: the most inputs in one request.
            timeout_seconds: see `Client`.

        Returns:
            The vectors; an input that failed is in `errors` and has a row of zeros.

        Raises:
            InvalidInput: a single text instead of a list, an input of no known kind, a file that cannot be read.
            NotFound: no such encoder, layer or prompt.
        """
        return run(
            self._operations.embed(
                inputs,
                encoder,
                prompt=prompt,
                prefix=prefix,
                dimensions=dimensions,
                normalize=normalize,
                dtype=dtype,
                truncate=truncate,
                layer=layer,
                batch_size=batch_size,
                timeout_seconds=timeout_seconds,
            )
        )

    def list_encoders(self, *, timeout_seconds: float | None = None) -> list[Encoder]:
        """Lists the encoders the server can run, by name."""
        return run(self._operations.list_encoders(timeout_seconds=timeout_seconds))

    def get_encoder(self, name: str, *, timeout_seconds: float | None = None) -> Encoder:
        """Gets one encoder.

        Raises:
            NotFound: there is no such encoder.
        """
        return run(self._operations.get_encoder(name, timeout_seconds=timeout_seconds))

    def add_encoder(
        self,
        name: str,
        folder: str | Path | None = None,
        hub: str | None = None,
        progress: Progress | None = None,
        *,
        timeout_seconds: float = 600.0,
    ) -> Encoder:
        """Adds an encoder; for administrators. The server builds, verifies and loads it. Not tried again on failure.

        Args:
            name: lower-case letters, digits, dots and hyphens, at most 63.
            folder: a sentence-transformers checkpoint, a folder with `model.onnx` and `preprocess.json`, or a bundle.
                Its files are sent, but for hidden ones and those no encoder is built from (`*.bin`, `*.py`, ...).
            hub: `org/name` or `org/name@revision` on the Hugging Face hub, fetched by the server, instead of a folder.
            progress: called with each step (`receiving`, `building`, `verifying`, `ready`), the bytes the server has
                received, and the bytes of all files.
            timeout_seconds: the longest time without a report of the server.

        Returns:
            The encoder, with `checks`.

        Raises:
            InvalidInput: the folder is missing, or the server cannot build an encoder from its files.
            AlreadyExists: the name is taken.
            PermissionDenied: the caller is no administrator.
        """
        return run(self._operations.add_encoder(name, folder, hub, progress, timeout_seconds=timeout_seconds))

    def verify_encoder(self, name: str, *, timeout_seconds: float | None = None) -> list[Check]:
        """Checks an encoder's files against their hashes and its outputs against its golden vectors.

        For administrators.

        Raises:
            NotFound: there is no such encoder.
            PermissionDenied: the caller is no administrator.
        """
        return run(self._operations.verify_encoder(name, timeout_seconds=timeout_seconds))

    def delete_encoder(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes an encoder that no collection uses; for administrators.

        Raises:
            NotFound: there is no such encoder.
            InUse: a collection uses it.
            PermissionDenied: the caller is no administrator.
        """
        run(self._operations.delete_encoder(name, timeout_seconds=timeout_seconds))
