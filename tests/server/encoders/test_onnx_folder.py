import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import tiny
from frostline.server.encoders import golden
from frostline.server.encoders.bundle import MANIFEST, load_manifest, sha256_of
from frostline.server.encoders.encoder import Prepared
from frostline.server.encoders.image import ImageEncoder
from frostline.server.encoders.sources import onnx_folder
from frostline.server.errors import InvalidInput

IMAGE_MODELS = [
    "mobilenet_v1_025_128_imagenet",
    "mobilenet_v1_075_192_imagenet",
    "mobilenet_v2_imagenet",
    "mobilenet_v2_imagenet_int8",
    "mobilenet_v2_inat_bird",
    "squeezenet_fp16_imagenet",
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tiny.tiny_image(tmp_path / "source")


def describe(source: Path, **changes: Any) -> None:
    path = source / "preprocess.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit(source: Path) -> ModelProto:
    return onnx.load(source / "model.onnx")


def store(source: Path, model: ModelProto) -> None:
    (source / "model.onnx").write_bytes(model.SerializeToString())


def refused(source: Path, says: str) -> None:
    into = source.parent / "bundle"
    with pytest.raises(InvalidInput, match=says):
        onnx_folder.build(source, into, "tiny")


def test_a_folder_becomes_a_bundle(source: Path, tmp_path: Path) -> None:
    (source / "SOURCE.md").write_text("# x\n\n- Source: github a/b @ 1.\n- Licence: Apache-2.0 (LICENSE of it).\n")
    manifest = onnx_folder.build(source, tmp_path / "bundle", "tiny")
    assert load_manifest(tmp_path / "bundle") == manifest
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == {MANIFEST, *manifest.files}
    assert manifest.files == {name: sha256_of(tmp_path / "bundle" / name) for name in ("model.onnx", "golden.npz")}
    assert sha256_of(tmp_path / "bundle" / "model.onnx") == sha256_of(source / "model.onnx")
    assert [(layer.name, layer.dimensions) for layer in manifest.layers] == [("embedding", 8), ("logits", 5)]
    assert (manifest.default_layer, manifest.normalize, manifest.modality) == ("embedding", False, "image")
    assert (manifest.license, manifest.source) == ("Apache-2.0", "github a/b @ 1.")
    assert manifest.preprocessing is not None
    assert manifest.preprocessing.resize_shorter_side == 18


def test_the_fingerprint_follows_the_graph_and_the_preprocessing_only(source: Path, tmp_path: Path) -> None:
    first = onnx_folder.build(source, tmp_path / "1", "tiny").fingerprint()
    (source / "SOURCE.md").write_text("- Licence: MIT")
    assert onnx_folder.build(source, tmp_path / "2", "renamed").fingerprint() == first
    describe(source, mean=[0.5, 0.5, 0.4])
    assert onnx_folder.build(source, tmp_path / "3", "tiny").fingerprint() != first
    describe(source, mean=[0.5, 0.5, 0.5])
    assert onnx_folder.build(source, tmp_path / "4", "tiny").fingerprint() == first
    tiny.tiny_image(source, seed=1)
    assert onnx_folder.build(source, tmp_path / "5", "tiny").fingerprint() != first


def test_weights_beside_the_graph_end_up_inside(source: Path, tmp_path: Path) -> None:
    expected = onnx_folder.build(source, tmp_path / "inside", "tiny")
    onnx.save(edit(source), source / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (source / "w.bin").stat().st_size > 100
    made = onnx_folder.build(source, tmp_path / "beside", "tiny")
    assert made.layers == expected.layers
    encoder = ImageEncoder(tmp_path / "beside")
    assert golden.largest_difference(encoder, tmp_path / "inside" / "golden.npz") < 1e-6
    encoder.close()


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../secret", "link"])
def test_external_data_outside_the_folder_is_refused(source: Path, location: str) -> None:
    (source.parent / "secret").write_bytes(b"\0" * 4096)
    os.symlink(source.parent / "secret", source / "link")
    model = edit(source)
    point_outside(model.graph.initializer[0], location)
    store(source, model)
    refused(source, "outside the model's folder")


def test_external_data_hidden_in_an_attribute_is_refused(source: Path) -> None:
    model = edit(source)
    hidden = numpy_helper.from_array(np.zeros(4, np.float32), "hidden")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=hidden)], "inner", [], [])
    point_outside(inner.node[0].attribute[0].t, "../secret")
    model.graph.node.append(helper.make_node("If", ["flag"], [], then_branch=inner, else_branch=inner))
    store(source, model)
    refused(source, "'hidden' keeps its data in '../secret', outside")


def point_outside(tensor: TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def test_missing_external_data_is_named(source: Path) -> None:
    model = edit(source)
    point_outside(model.graph.initializer[0], "gone.bin")
    store(source, model)
    refused(source, r"'kernel' keeps its data in 'gone.bin', which is missing")


@pytest.mark.parametrize("missing", ["model.onnx", "preprocess.json"])
def test_a_missing_file_is_named(source: Path, missing: str) -> None:
    (source / missing).unlink()
    refused(source, f"has no {missing}")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": [16, 16, 3]}, "preprocess.json: size"),
        ({"size": [0, 16]}, "preprocess.json: height"),
        ({"resize_shorter": 18}, "preprocess.json: resize_shorter: Extra inputs"),
        ({"interpolation": "hamming"}, "preprocess.json: interpolation"),
        ({"crop": "random"}, "preprocess.json: crop"),
        ({"std": [0, 1, 1]}, "std .* holds a zero"),
        ({"mean": [0, 0, "x"]}, "preprocess.json: mean.2"),
        ({"rescale": float("nan")}, "not finite|finite number"),
        ({"input_name": "image"}, "takes pixel_values, preprocess.json gives 'image'"),
        ({"size": [18, 18]}, r"shape \[0, 3, 16, 16\], preprocess.json gives FLOAT of shape \[0, 3, 18, 18\]"),
        ({"layout": "NHWC"}, r"gives FLOAT of shape \[0, 16, 16, 3\]"),
        ({"resize_shorter_side": 12}, "larger than the shorter side of 12"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(source: Path, changes: dict[str, Any], says: str) -> None:
    describe(source, **changes)
    refused(source, says)


def test_a_description_that_is_no_json_is_refused(source: Path) -> None:
    (source / "preprocess.json").write_text("size: 16")
    refused(source, "preprocess.json: the file: Invalid JSON")


def test_a_graph_that_cannot_be_used_is_refused(source: Path) -> None:
    good = edit(source)

    def changed(edit_model: Any, says: str) -> None:
        model = ModelProto()
        model.CopyFrom(good)
        edit_model(model)
        store(source, model)
        refused(source, says)

    changed(lambda m: setattr(m.opset_import[0], "version", 999), "opset 999; export it with one from 7 to")
    changed(lambda m: setattr(m.opset_import[0], "version", 6), "opset 6;")
    changed(lambda m: m.graph.input[0].type.tensor_type.shape.dim[0].CopyFrom(one()), "free batch axis")
    changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.UINT8), "as UINT8")
    changed(lambda m: m.graph.input.append(m.graph.output[0]), "takes pixel_values, embedding")
    changed(lambda m: m.graph.ClearField("output"), "no float output")
    changed(lambda m: m.graph.node[0].CopyFrom(helper.make_node("Nonsense", ["x"], ["conv"])), "cannot run")
    (source / "model.onnx").write_bytes(b"\xff\xff\xff\xff not a model")
    refused(source, "is no ONNX model")


def one() -> Any:
    return helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]).type.tensor_type.shape.dim[0]


def test_outputs_that_are_no_vectors_are_left_out(source: Path, tmp_path: Path) -> None:
    model = edit(source)
    model.graph.output.insert(0, helper.make_tensor_value_info("relu", TensorProto.FLOAT, ["N", 8, 7, 7]))
    model.graph.output.add().CopyFrom(helper.make_tensor_value_info("pool", TensorProto.FLOAT, ["N", 8, 1, 1]))
    del model.graph.output[1]  # `embedding`; the first that is left becomes the default
    store(source, model)
    manifest = onnx_folder.build(source, tmp_path / "bundle", "tiny")
    assert [layer.name for layer in manifest.layers] == ["logits"]
    assert manifest.default_layer == "logits"


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_every_image_fixture_can_be_added(fixtures: Path, tmp_path: Path, name: str) -> None:
    manifest = onnx_folder.build(fixtures / "models" / name, tmp_path / "bundle", name.replace("_", "-"))
    assert [layer.name for layer in manifest.layers] == ["embedding", "logits"]
    assert manifest.source
    encoder = ImageEncoder(tmp_path / "bundle")
    assert golden.largest_difference(encoder, tmp_path / "bundle" / "golden.npz") < 1e-5
    [prepared] = encoder.prepare([(fixtures / "datasets/imagenet_sample_1000/images/n02123045_tabby.jpg").read_bytes()])
    assert isinstance(prepared, Prepared)
    vectors = encoder.run([prepared, prepared], "embedding", True)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    encoder.close()


@pytest.mark.parametrize("name", ["glove_wiki_50d", "conse_mobilenet_v2_glove50"])
def test_other_fixtures_say_what_is_missing(fixtures: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"has no (model\.onnx|preprocess\.json)"):
        onnx_folder.build(fixtures / "models" / name, tmp_path / "bundle", "x")
