"""Which files of an encoder's folder are sent, and how."""

from collections.abc import Iterator
from pathlib import Path

from frostline.client.errors import InvalidInput
from frostline.v1.encoder_service_pb2 import AddEncoderRequest, AddEncoderSpec, FileChunk

CHUNK_BYTES = 1024 * 1024

SENT = frozenset({".json", ".txt", ".md", ".onnx", ".safetensors", ".npz"})
"""Files the server builds encoders from; it refuses others, among them weights that could run code when read."""


class Upload:
    """The messages that add an encoder from a folder.

    Args:
        name: of the new encoder.
        folder: a checkpoint, an ONNX file with `preprocess.json`, or a bundle. Hidden files, and those whose suffix is
            not in `SENT`, stay behind.

    Raises:
        InvalidInput: there is no such folder, or nothing in it to send.
    """

    def __init__(self, name: str, folder: Path) -> None:
        if not folder.is_dir():
            raise InvalidInput(f"{folder} is no folder; name the folder that holds the encoder's files")
        self._name = name
        self._folder = folder
        self._files = sorted(
            path for path in folder.rglob("*") if path.is_file() and _is_sent(path.relative_to(folder))
        )
        if not self._files:
            raise InvalidInput(f"{folder} holds no file of an encoder")
        self.total_bytes = sum(path.stat().st_size for path in self._files)
        self.failure: OSError | None = None

    def messages(self) -> Iterator[AddEncoderRequest]:
        """Yields the spec and then the files, piece by piece.

        gRPC pulls it, and would hide an exception of ours: a file that cannot be read ends the messages and is found
        in `failure`.
        """
        yield AddEncoderRequest(spec=AddEncoderSpec(encoder_id=self._name, total_bytes=self.total_bytes))
        try:
            for path in self._files:
                yield from self._chunks(path)
        except OSError as error:
            self.failure = error

    def _chunks(self, path: Path) -> Iterator[AddEncoderRequest]:
        relative = path.relative_to(self._folder).as_posix()
        with path.open("rb") as file:
            first = True
            while (data := file.read(CHUNK_BYTES)) or first:
                first = False
                yield AddEncoderRequest(chunk=FileChunk(path=relative, data=data))


def _is_sent(path: Path) -> bool:
    return path.suffix in SENT and not any(part.startswith(".") for part in path.parts)
