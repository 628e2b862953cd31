"""Encoders from a folder: recognises what it holds and makes a bundle of it."""

import shutil
from pathlib import Path

import numpy as np

from frostline.server.encoders import golden
from frostline.server.encoders.bundle import MANIFEST, MODEL, TOKENIZER, Manifest, load_manifest, sha256_of
from frostline.server.encoders.image import ImageEncoder
from frostline.server.encoders.session import Session
from frostline.server.encoders.sources import onnx_folder, sentence_transformers, tokenizer_file
from frostline.server.encoders.text import TextEncoder
from frostline.server.encoders.verification import samples
from frostline.server.errors import InvalidInput


def build(folder: Path, into: Path, name: str, source: str = "") -> Manifest:
    """Makes a bundle of a bundle, a sentence-transformers folder, or an ONNX file with its preprocessing.

    A `golden.npz` in the folder is kept: vectors of a reference implementation are worth more than our own.

    Args:
        folder: what to build from.
        into: an empty folder that becomes the bundle.
        name: of the encoder.
        source: where it came from, for the manifest; the folder's own word, or its name, when empty.

    Returns:
        The manifest as it is written.

    Raises:
        InvalidInput: the folder is none of these, or not one that can be built; says why.
        DataDamaged: it is a bundle whose manifest is not what Frostline writes.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder; name one with an encoder's files")
    if (folder / MANIFEST).exists():
        manifest = _copy_bundle(folder, into)
    elif (folder / sentence_transformers.MODULES).exists():
        manifest = sentence_transformers.build(folder, into, name)
    elif (folder / MODEL).exists():
        manifest = onnx_folder.build(folder, into, name)
    else:
        raise InvalidInput(
            f"{folder.name} holds no encoder: neither {MANIFEST} (a bundle), nor {sentence_transformers.MODULES} "
            f"(sentence-transformers), nor {MODEL} with {onnx_folder.PREPROCESS}"
        )
    origin = source or manifest.source or folder.name
    manifest = _seal(into, manifest.model_copy(update={"name": name, "source": origin}))
    if (folder / golden.GOLDEN).exists():
        shutil.copyfile(folder / golden.GOLDEN, into / golden.GOLDEN)
    elif not (into / golden.GOLDEN).exists():
        _write_golden(into, manifest)
    return _seal(into, manifest)


def _seal(folder: Path, manifest: Manifest) -> Manifest:
    """Writes the manifest with the hashes of all files."""
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    sealed = manifest.model_copy(update={"files": hashes})
    (folder / MANIFEST).write_text(sealed.model_dump_json(indent=1))
    return sealed


def _copy_bundle(folder: Path, into: Path) -> Manifest:
    manifest = load_manifest(folder)
    for name, expected in manifest.files.items():
        if Path(name).name != name or name in (".", "..", MANIFEST):
            raise InvalidInput(f"{MANIFEST} lists the file {name!r}; files lie in the bundle itself")
        if not (folder / name).is_file():
            raise InvalidInput(f"{name} is missing; {MANIFEST} lists it")
        shutil.copyfile(folder / name, into / name)
        if sha256_of(into / name) != expected:
            raise InvalidInput(f"{name} is not what {MANIFEST} says: its sha256 is not {expected}; copy it again")
    if manifest.modality == "text":
        _check_tokenizer(into, manifest.layer().output)
    return manifest


def _check_tokenizer(folder: Path, output: str) -> None:
    # An id without a row in the graph would fail every input of its batch.
    largest = tokenizer_file.largest_id(tokenizer_file.read(folder / TOKENIZER))
    session = Session(folder / MODEL, [output], "cpu")
    try:
        session.run({"input_ids": np.array([[largest]]), "attention_mask": np.ones((1, 1), np.int64)})
    except Exception as error:  # a graph that someone else made may fail in any way
        raise InvalidInput(f"{MODEL} cannot be run on token id {largest}, the last of {TOKENIZER}: {error}") from error


def _write_golden(folder: Path, manifest: Manifest) -> None:
    encoder = TextEncoder(folder, "cpu") if manifest.modality == "text" else ImageEncoder(folder, "cpu")
    try:
        golden.write(encoder, samples(manifest), folder / golden.GOLDEN)
    finally:
        encoder.close()
