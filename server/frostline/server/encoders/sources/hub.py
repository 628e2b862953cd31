"""Checkpoints from the Hugging Face hub."""

import errno
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from frostline.server.errors import FrostlineError, InvalidInput, NotFound, SourceUnreachable, StorageFull

_FILES = [  # all that an encoder is built from; pickles and other frameworks' weights stay where they are
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "modules.json",
    "?_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "README.md",
    "model.onnx",
    "preprocess.json",
    "manifest.json",
    "golden.npz",
]


def fetch(hub_id: str, into: Path, *, accept: Callable[[int], None] | None = None) -> Path:
    """Downloads the files an encoder is built from.

    The environment variables of huggingface_hub apply: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE.

    Args:
        hub_id: `org/name` or `org/name@revision`.
        into: an empty folder.
        accept: is told the bytes that the hub announces before any comes; what it raises ends the fetch.

    Returns:
        The folder that holds the files.

    Raises:
        InvalidInput: the id is not one.
        NotFound: there is no such repository or revision, or it needs a token.
        SourceUnreachable: the hub does not answer, or not to the end.
        StorageFull: the disk has no room.
    """
    # Takes longer to import than most servers need it for.
    import huggingface_hub
    from huggingface_hub import errors
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    # Its annotations name bare dicts, which a strict checker does not know.
    download: Callable[..., str] = cast("Any", huggingface_hub).snapshot_download
    repository, _, revision = hub_id.partition("@")
    if repository.count("/") != 1:
        raise InvalidInput(f"hub id {hub_id!r} is not one; write org/name or org/name@revision")
    try:
        if accept:
            accept(_announced_bytes(cast("Any", huggingface_hub), repository, revision or None))
        return Path(download(repository, revision=revision or None, local_dir=into, allow_patterns=_FILES))
    except FrostlineError:
        raise
    except errors.HFValidationError as error:
        raise InvalidInput(f"hub id {hub_id!r} is not one: {error}") from error
    except errors.RevisionNotFoundError as error:
        raise NotFound(f"{repository} on the hub has no revision {revision!r}") from error
    except errors.RepositoryNotFoundError as error:
        raise NotFound(
            f"there is no {repository} on the hub, or it is not public; check the name, "
            "or set HF_TOKEN for the server where it is yours"
        ) from error
    except Exception as error:  # the HTTP client's exceptions are no part of huggingface_hub's interface
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"no room on the disk of {into} for {hub_id}") from error
        raise SourceUnreachable(
            f"{hub_id} could not be fetched from the hub: {type(error.__cause__ or error).__name__}: "
            f"{error.__cause__ or error}; check the server's network, or send the files from a folder"
        ) from error


def _announced_bytes(library: Any, repository: str, revision: str | None) -> int:  # noqa: ANN401 - see `download` above
    listed = library.HfApi().model_info(repository, revision=revision or "main", files_metadata=True).siblings
    needed = [each for each in listed if any(fnmatchcase(each.rfilename, pattern) for pattern in _FILES)]
    return sum(each.size or 0 for each in needed)
