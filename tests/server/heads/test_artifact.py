import dataclasses
import io
import json
import zipfile

import numpy as np
import onnx
import pytest

from frostline.server import durable_files
from frostline.server.encoders.space import EmbeddingSpace, Pooling
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.server.heads import artifact
from frostline.server.heads.decision import Linear
from frostline.server.heads.versions import HeadConfig
from made_heads import CLASSES, KINDS, fitted, unit

FILES = ("head.json", "arrays.npz", "head.onnx")
CONFIG = HeadConfig(encoder="tiny", space=EmbeddingSpace("abc", "last", Pooling.MEAN, 16, normalize=True))


def same(found, expected):
    if dataclasses.is_dataclass(expected):
        assert type(found) is type(expected)
        for field in dataclasses.fields(expected):
            same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected, strict=True)
    else:
        assert found == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_comes_back_as_it_was_written_to_the_last_bit(tmp_path, kind):
    artifact.write(tmp_path / "head", fitted(kind))
    same(artifact.read(tmp_path / "head"), fitted(kind))
    assert sorted(path.name for path in (tmp_path / "head").iterdir()) == sorted(FILES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_comes_back_from_an_archive(tmp_path, kind):
    artifact.write(tmp_path / "head", fitted(kind))
    data = artifact.pack(tmp_path / "head", CONFIG)
    same(artifact.unpack(data, tmp_path / "other"), fitted(kind))
    same(artifact.read(tmp_path / "other"), fitted(kind))
    assert artifact.pack(tmp_path / "other", CONFIG) == data
    assert artifact.packed(data) == (CONFIG, artifact.read_manifest(tmp_path / "head"))


def test_arrays_that_lie_the_other_way_round_come_back(tmp_path):
    turned = fitted(decision=Linear(np.asfortranarray(fitted().decision.coef), fitted().decision.intercept))
    artifact.write(tmp_path / "head", turned)
    same(artifact.read(tmp_path / "head"), fitted())


def test_everything_is_synced_before_the_folder_has_its_name(tmp_path, monkeypatch):
    synced, sync = [], durable_files.sync

    def noted(path):
        synced.append((path.name, (tmp_path / "head").exists()))
        sync(path)

    for module in (artifact, artifact.checked_files, durable_files):
        monkeypatch.setattr(module, "sync", noted)
    artifact.write(tmp_path / "head", fitted())
    assert set(synced) == {("arrays.npz", False), ("head.onnx", False), (".new-head", False), (tmp_path.name, True)}


def test_what_an_attempt_left_is_overwritten(tmp_path):
    (tmp_path / ".new-head").mkdir()
    (tmp_path / ".new-head" / "arrays.npz").write_bytes(b"half")
    artifact.write(tmp_path / "head", fitted())
    same(artifact.read(tmp_path / "head"), fitted())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "remove"])
def test_a_damaged_file_is_refused_by_name(tmp_path, name, damage):
    artifact.write(tmp_path / "head", fitted())
    path = tmp_path / "head" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    match damage:
        case "flip":
            path.write_bytes(content)
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "longer":
            path.write_bytes(path.read_bytes() + b"x")
        case "remove":
            path.unlink()
    with pytest.raises(DataDamaged, match=name):
        artifact.read(tmp_path / "head")
    with pytest.raises(DataDamaged, match=name):
        artifact.pack(tmp_path / "head", CONFIG)


def test_a_graph_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    wrong = fitted(temperature=0.71)
    graph_of = artifact.head_graph
    monkeypatch.setattr(artifact, "head_graph", lambda _, precise: graph_of(wrong, precise=precise))
    with pytest.raises(InvalidInput, match=r"would compute something else, by 0\.\d"):
        artifact.write(tmp_path / "head", fitted())
    assert not (tmp_path / "head").exists()


def test_weights_that_cancel_each_other_are_computed_in_float64(tmp_path):
    coef = fitted().decision.coef
    large = np.outer(np.ones(3), 1e7 * np.random.default_rng(5).standard_normal(coef.shape[1]))
    artifact.write(tmp_path / "head", fitted(decision=Linear(coef + large, np.zeros(3))))
    model = onnx.load(tmp_path / "head" / "head.onnx")
    assert {x.data_type for x in model.graph.initializer if x.name == "linear.weight"} == {onnx.TensorProto.DOUBLE}


@pytest.mark.parametrize("field", ["set_quantile", "strength"])
def test_numbers_that_are_not_finite_are_not_written(tmp_path, field):
    with pytest.raises(ValueError, match="finite"):
        artifact.write(tmp_path / "head", fitted(**{field: np.nan}))


def repacked(tmp_path, change, compression=zipfile.ZIP_STORED):
    """An archive whose files were changed, with all checksums right."""
    artifact.write(tmp_path / "head", fitted())
    with zipfile.ZipFile(io.BytesIO(artifact.pack(tmp_path / "head", CONFIG))) as file:
        content = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(content["head.json"])
    del manifest["crc"]
    change(content, manifest)
    for name in manifest["files"]:
        if name in content:
            manifest["files"][name] = artifact.FileInfo.of(content[name]).model_dump()
    if "head.json" in content:
        content["head.json"] = json.dumps({"crc": durable_files._crc(manifest), **manifest}).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return packed.getvalue()


def set_array(name, array):
    def change(content, manifest):
        with np.load(io.BytesIO(content["arrays.npz"])) as file:
            arrays = dict(file)
        arrays[name] = array
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        content["arrays.npz"] = buffer.getvalue()

    return change


def set_field(name, value):
    return lambda content, manifest: manifest.update({name: value})


def set_header(shape):
    """The first array says that it is far larger than it is, and so does the manifest."""

    def change(content, manifest):
        manifest["arrays"]["scope_held_out"]["shape"] = list(shape)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
        buffer = io.BytesIO()
        with np.load(io.BytesIO(content["arrays.npz"])) as file, zipfile.ZipFile(buffer, "w") as changed:
            for name in file.files:
                member = io.BytesIO()
                np.save(member, file[name])
                changed.writestr(f"{name}.npy", header.getvalue() if name == "scope_held_out" else member.getvalue())
        content["arrays.npz"] = buffer.getvalue()

    return change


def compress_arrays(content, manifest):
    with np.load(io.BytesIO(content["arrays.npz"])) as file:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **file)
    content["arrays.npz"] = buffer.getvalue()


BAD_ARCHIVES = {
    "another file": (lambda content, manifest: content.update({"examples.npz": b""}), r"holds other files"),
    "a path out of the folder": (
        lambda content, manifest: content.update({"../head.onnx": content.pop("head.onnx")}),
        r"holds other files",
    ),
    "a file missing": (lambda content, manifest: content.pop("head.onnx"), r"holds other files"),
    "no manifest": (lambda content, manifest: content.pop("head.json"), r"holds other files"),
    "a pickle": (set_array("coef", np.array([{}], dtype=object)), r"'coef' .* object of shape"),
    "another shape": (set_array("coef", np.zeros((3, 17))), r"float64 of shape \(3, 17\)"),
    "another dtype": (set_array("coef", np.zeros((3, 16), np.float32)), r"float32 of shape"),
    "a huge shape": (set_header((1 << 40,)), r"128 bytes do not hold shape"),
    "compressed arrays": (compress_arrays, r"'coef.npy' is compressed"),
    "values that are not finite": (
        set_array("coef", np.full((3, 16), np.nan)),
        r"coef holds values that are not finite",
    ),
    "classes twice": (set_field("classes", ["a", "a", "b"]), r"named twice"),
    "too few counts": (set_field("counts", [1, 2]), r"counts are not"),
    "an empty label": (set_field("classes", ["", "a", "b"]), r"at least 1 character"),
    "other dimensions": (set_field("dimensions", 15), r"array coef has another shape"),
    "no temperature": (set_field("temperature", 0), r"greater than 0"),
    "another kind": (set_field("kind", "perceptron"), r"not those of its kind"),
    "an unknown kind": (set_field("kind", "pickle"), r"kind: Input should be"),
    "an unknown field": (set_field("code", "import os"), r"code: Extra inputs"),
    "a later format": (set_field("format", 2), r"format: Input should be 1"),
}


@pytest.mark.parametrize("what", BAD_ARCHIVES)
def test_an_archive_that_is_no_head_is_refused(tmp_path, what):
    change, reason = BAD_ARCHIVES[what]
    data = repacked(tmp_path, change)
    with pytest.raises(InvalidInput, match=f"the archive is no head as it was exported: .*{reason}.*; export it again"):
        artifact.unpack(data, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head"]


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive at all" * 100])
def test_what_is_no_archive_is_refused(tmp_path, data):
    with pytest.raises(InvalidInput, match="no head as it was exported"):
        artifact.unpack(data, tmp_path / "other")
    with pytest.raises(InvalidInput, match="no head as it was exported"):
        artifact.packed(data)


def test_a_compressed_archive_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"'head.json' is compressed"):
        artifact.unpack(repacked(tmp_path, lambda *_: None, zipfile.ZIP_DEFLATED), tmp_path / "other")


def test_any_changed_byte_of_an_archive_is_noticed(tmp_path):
    artifact.write(tmp_path / "head", fitted())
    data = artifact.pack(tmp_path / "head", CONFIG)
    for number, place in enumerate(np.linspace(0, len(data) - 1, 60).astype(int).tolist()):
        changed = bytearray(data)
        changed[place] ^= 1 << (number % 8)
        try:
            same(artifact.unpack(bytes(changed), tmp_path / str(number)), fitted())  # dates and the like say nothing
        except InvalidInput:
            assert not (tmp_path / str(number)).exists()


def test_a_graph_from_elsewhere_is_never_run(tmp_path):
    """It may loop for ever; what runs is made here of the weights."""
    data = repacked(tmp_path, lambda content, manifest: content.update({"head.onnx": b"anything"}))
    artifact.unpack(data, tmp_path / "other")
    own = (tmp_path / "head" / "head.onnx").read_bytes()
    assert (tmp_path / "other" / "head.onnx").read_bytes() == own


def test_votes_for_classes_that_there_are_not_are_refused(tmp_path):
    artifact.write(tmp_path / "head", fitted("neighbors"))
    head = fitted("neighbors")
    wrong = dataclasses.replace(head, decision=dataclasses.replace(head.decision, targets=head.decision.targets + 1))
    manifest = artifact.read_manifest(tmp_path / "head")
    with pytest.raises(DataDamaged, match="targets holds classes that there are not"):
        artifact.fitted_of(manifest, artifact.arrays_of(wrong), "arrays.npz")


def test_no_example_is_in_an_archive(tmp_path):
    artifact.write(tmp_path / "head", fitted())
    data = artifact.pack(tmp_path / "head", CONFIG)
    assert not any(row.tobytes() in data for row in unit(10 * len(CLASSES)))
