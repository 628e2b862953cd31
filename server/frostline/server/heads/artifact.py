"""A trained head on disk, and as one file between servers. Nothing in it is code, and it holds no examples.

head.json      what a head is, with a checksum; see `manifest`
arrays.npz     its weights, what scope is told by, and the statistics of exact recipes
head.onnx      the graph that predicts
config.json    what was asked for; in archives only, where no store keeps it
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from frostline.server.durable_files import NEW, FileInfo, discard, json_content, read_json, sync, write_json
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.server.heads import arrays, checked_files, parity
from frostline.server.heads.decision import Neighbors
from frostline.server.heads.fitted import Fitted
from frostline.server.heads.graph import head_graph
from frostline.server.heads.manifest import Manifest
from frostline.server.heads.stored_arrays import arrays_of, fitted_of, kind_of
from frostline.server.heads.versions import HeadConfig

MANIFEST, ARRAYS, GRAPH = "head.json", "arrays.npz", "head.onnx"
CONFIG = "config.json"

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # so that an archive depends on the head alone


def write(folder: Path, fitted: Fitted) -> None:
    """Writes a head to a new folder; it is there, and on disk, when this returns, or it is not there.

    Raises:
        InvalidInput: its graph does not compute what it computes, to 1e-5.
    """
    unfinished = folder.with_name(f"{NEW}{folder.name}")
    discard(unfinished)
    unfinished.mkdir()
    content = arrays_of(fitted)
    files = {
        ARRAYS: checked_files.write(unfinished / ARRAYS, arrays.pack(content)),
        GRAPH: _write_graph(unfinished / GRAPH, fitted),
    }
    write_json(unfinished / MANIFEST, _manifest(fitted, content, files).model_dump(mode="json"))
    unfinished.rename(folder)
    sync(folder.parent)


def _write_graph(path: Path, fitted: Fitted) -> FileInfo:
    difference = 0.0
    for precise in (False, True):  # other runtimes know float32 best
        path.unlink(missing_ok=True)
        info = checked_files.write(path, head_graph(fitted, precise=precise).SerializeToString())
        difference = parity.difference(path, fitted)
        if difference <= parity.TOLERANCE:
            return info
    raise InvalidInput(
        f"the graph of the head would compute something else, by {difference:.3g} where {parity.TOLERANCE:g} is "
        "allowed; take another recipe or a greater strength, or scale the vectors"
    )


def _manifest(fitted: Fitted, content: Mapping[str, arrays.Array], files: Mapping[str, FileInfo]) -> Manifest:
    return Manifest(
        classes=fitted.classes,
        counts=tuple(fitted.counts.tolist()),
        dimensions=fitted.scope.means.shape[1],
        recipe=fitted.recipe,
        strength=fitted.strength,
        balance_classes=fitted.balance_classes,
        kind=kind_of(fitted.decision),
        neighbors=fitted.decision.neighbors if isinstance(fitted.decision, Neighbors) else 0,
        temperature=fitted.temperature,
        abstain_error=fitted.abstain_error,
        abstain_threshold=fitted.abstain_threshold,
        coverage=fitted.coverage,
        set_quantile=fitted.set_quantile,
        trials=fitted.trials,
        held_out_accuracy=fitted.held_out_accuracy,
        train_accuracy=fitted.train_accuracy,
        task=fitted.task,
        thresholds=None if fitted.thresholds is None else tuple(fitted.thresholds.tolist()),
        margin=fitted.margin,
        scaling=fitted.scaling,
        whiten=fitted.whiten,
        target_count=round(fitted.target.counts.sum()) if fitted.target else 0,
        arrays=arrays.describe(content),
        files=dict(files),
    )


def read_manifest(folder: Path) -> Manifest:
    """Reads what a head is, and compares the sizes of its files, quickly.

    Raises:
        DataDamaged: it cannot be read, or a file is missing or of another size; says which.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate(read_json(path))
    except FileNotFoundError as error:
        raise DataDamaged(f"{path} is damaged: it is missing") from error
    except ValidationError as error:
        raise DataDamaged(_said(path, error)) from error
    _expect_names(manifest, str(path))
    for name, info in manifest.files.items():
        checked_files.expect_size(folder / name, info)
    return manifest


def read(folder: Path) -> Fitted:
    """Reads a head.

    Raises:
        DataDamaged: a file is not what was written; says which.
    """
    manifest = read_manifest(folder)
    content = {name: checked_files.read(folder / name, info) for name, info in manifest.files.items()}
    where = str(folder / ARRAYS)
    return fitted_of(manifest, arrays.unpack(content[ARRAYS], manifest.arrays, where), where)


def graph_bytes(folder: Path) -> bytes:
    """Reads the graph of a head.

    Raises:
        DataDamaged: it is not what was written.
    """
    return checked_files.read(folder / GRAPH, read_manifest(folder).files[GRAPH])


def pack(folder: Path, config: HeadConfig) -> bytes:
    """Puts a head into one ZIP, with what was asked for, so that it says which space it lives in.

    Raises:
        DataDamaged: a file is not what was written; says which.
    """
    manifest = read_manifest(folder)
    content = {MANIFEST: (folder / MANIFEST).read_bytes()}
    content |= {name: checked_files.read(folder / name, info) for name, info in sorted(manifest.files.items())}
    content[CONFIG] = config.model_dump_json().encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, data in content.items():
            file.writestr(zipfile.ZipInfo(name, _FIRST_DAY), data)
    return packed.getvalue()


def unpack(data: bytes, folder: Path) -> Fitted:
    """Makes a head of what `pack` made, perhaps elsewhere, in a new folder.

    Its graph is written anew, so that no graph runs that was not made here.

    Raises:
        InvalidInput: it is something else, or damaged; says what.
    """
    try:
        content = _members(data)
        manifest = Manifest.model_validate(json_content(content[MANIFEST], MANIFEST))
        _expect_names(manifest, MANIFEST)
        for name, info in manifest.files.items():
            info.expect(content[name], name)
        fitted = fitted_of(manifest, arrays.unpack(content[ARRAYS], manifest.arrays, ARRAYS), ARRAYS)
    except (*arrays.UNREADABLE, EOFError, DataDamaged) as error:
        reason = _said(Path(MANIFEST), error) if isinstance(error, ValidationError) else str(error)
        raise InvalidInput(f"the archive is no head as it was exported: {reason}; export it again") from error
    write(folder, fitted)
    return fitted


def packed(data: bytes) -> tuple[HeadConfig, Manifest]:
    """What was asked for when a head was trained that `pack` put into a ZIP, and what it is.

    Raises:
        InvalidInput: it is something else, or damaged.
    """
    try:
        members = _members(data)
        config = HeadConfig.model_validate_json(members[CONFIG])
        manifest = Manifest.model_validate(json_content(members[MANIFEST], MANIFEST))
    except (*arrays.UNREADABLE, EOFError, DataDamaged) as error:
        raise InvalidInput("the archive is no head as it was exported; export it again") from error
    if config.space.dimensions != manifest.dimensions:
        raise InvalidInput(
            f"the archive is no head as it was exported: its space has {config.space.dimensions} dimensions and its "
            f"weights have {manifest.dimensions}; export it again"
        )
    return config, manifest


def _members(data: bytes) -> dict[str, bytes]:
    """The files in an archive, which are as large as it at most and go nowhere."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = file.infolist()
        if sorted(member.filename for member in members) != sorted((MANIFEST, ARRAYS, GRAPH, CONFIG)):
            raise DataDamaged(f"it holds other files than {MANIFEST}, {ARRAYS}, {GRAPH} and {CONFIG}")
        return {member.filename: arrays.member_bytes(file, member, "it") for member in members}


def _expect_names(manifest: Manifest, where: str) -> None:
    if manifest.files.keys() != {ARRAYS, GRAPH}:
        raise DataDamaged(f"{where} is damaged: it describes other files than {ARRAYS} and {GRAPH}")


def _said(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "the file"
    return f"{path} is damaged: {field}: {first['msg']}"
