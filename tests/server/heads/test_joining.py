import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from frostline.server.encoders.bundle import MANIFEST, MODEL, Layer, Manifest, sha256_of
from frostline.server.encoders.image import ImageEncoder
from frostline.server.encoders.session import Session
from frostline.server.encoders.sources import local_folder, onnx_folder
from frostline.server.encoders.text import TextEncoder
from frostline.server.errors import InvalidInput, NotFound, SpaceMismatch
from frostline.server.heads.fitted import Task
from frostline.server.heads.graph import head_graph, outputs
from frostline.server.heads.joining import joined
from made_heads import KINDS, decision, fitted
from tiny import HIDDEN, IMAGE_DIMENSIONS, IMAGE_SIDE, tiny_bert, tiny_image

OUTPUTS = ["logits", "probabilities", "scope"]


@pytest.fixture(scope="module")
def text_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "bundle").mkdir()
    local_folder.build(tiny_bert(folder / "checkpoint"), folder / "bundle", "tiny")
    return folder / "bundle"


def test_numbers_and_labels_leave_one_graph_with_the_encoder(tmp_path, text_bundle):
    encoder = TextEncoder(text_bundle, "cpu")
    space = encoder.manifest.space("", 0, True)
    batch = encoder.prepare(["the red house", "a dog"])
    ids = np.zeros((2, max(each.length for each in batch)), np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    several = dataclasses.replace(fitted(dimensions=space.dimensions), task=Task.LABELS)
    number = dataclasses.replace(several, task=Task.VALUE, decision=decision(classes=1, dimensions=space.dimensions))
    for head in (several, number):
        task, path = head.task, tmp_path / f"{head.task}.onnx"
        path.write_bytes(head_graph(head).SerializeToString())
        model = joined(text_bundle, space, path)
        onnx.checker.check_model(model)
        (tmp_path / "joined.onnx").write_bytes(model.SerializeToString())
        names = [each.name for each in model.graph.output]
        assert names == list(outputs(task))
        known = {name: ids for name, ids in inputs.items() if name in {each.name for each in model.graph.input}}
        found = Session(tmp_path / "joined.onnx", names, "cpu").run(known)
        assert [len(each) for each in found] == [2] * len(names)
        assert all(np.isfinite(each).all() for each in found)


def head_of(tmp_path, kind, dimensions):
    path = tmp_path / "head.onnx"
    path.write_bytes(head_graph(fitted(kind, dimensions=dimensions)).SerializeToString())
    return path


def run_joined(tmp_path, bundle, space, head, inputs):
    model = joined(bundle, space, head)
    onnx.checker.check_model(model)
    (tmp_path / "joined.onnx").write_bytes(model.SerializeToString())
    return Session(tmp_path / "joined.onnx", OUTPUTS, "cpu").run(inputs)


def compare(tmp_path, bundle, space, kind, inputs, vectors):
    """The graphs one after the other, and the two as one."""
    head = head_of(tmp_path, kind, space.dimensions)
    together = run_joined(tmp_path, bundle, space, head, inputs)
    apart = Session(head, OUTPUTS, "cpu").run({"embeddings": vectors})
    for found, expected in zip(together, apart, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("layer", "dimensions", "normalize"),
    [("", 0, True), ("", 0, False), ("layer-1", 0, True), ("", 20, True), ("layer-1", 20, False)],
)
def test_a_text_encoder_and_a_head_are_one_graph(tmp_path, text_bundle, kind, layer, dimensions, normalize):
    encoder = TextEncoder(text_bundle, "cpu")
    space = encoder.manifest.space(layer, dimensions, normalize)
    batch = encoder.prepare(["the red house", "a dog is in the text of the cat", ""])
    ids = np.zeros((3, max(each.length for each in batch)), np.int64)
    mask = np.zeros_like(ids)
    for row, each in enumerate(batch):
        ids[row, : each.length], mask[row, : each.length] = each.array, 1
    vectors = space.fit(encoder.run(batch, space.layer, normalize))
    compare(tmp_path, text_bundle, space, kind, {"input_ids": ids, "attention_mask": mask}, vectors)


def test_an_image_encoder_with_logits_of_its_own_and_a_head_are_one_graph(tmp_path):
    onnx_folder.build(tiny_image(tmp_path / "source"), tmp_path / "bundle", "tiny")
    encoder = ImageEncoder(tmp_path / "bundle", threads=1)
    space = encoder.manifest.space(normalize=True)
    assert space.dimensions in (IMAGE_DIMENSIONS, 5)
    pixels = np.random.default_rng(0).standard_normal((4, 3, IMAGE_SIDE, IMAGE_SIDE)).astype(np.float32)
    layer = encoder.manifest.layer(space.layer)
    vectors = space.fit(Session(tmp_path / "bundle" / MODEL, [layer.output], "cpu").run({"pixel_values": pixels})[0])
    compare(tmp_path, tmp_path / "bundle", space, "linear", {"pixel_values": pixels}, vectors)


def odd_bundle(folder, opset=13):
    """An encoder whose tensors are called like those of a head, one of them in a branch, with vectors of float16."""
    then = helper.make_graph([helper.make_node("Add", ["logits", "scope"], ["t"])], "then", [], [_value("t")])
    other = helper.make_graph([helper.make_node("Sub", ["logits", "scope"], ["e"])], "else", [], [_value("e")])
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["logits"]),
        helper.make_node("Relu", ["x"], ["scope"]),
        helper.make_node("If", ["yes"], ["probabilities"], then_branch=then, else_branch=other),
        helper.make_node("Cast", ["probabilities"], ["embeddings"], to=TensorProto.FLOAT16),
    ]
    yes = onnx.numpy_helper.from_array(np.array(True), "yes")
    output = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT16, ["n", 16])
    graph = helper.make_graph(nodes, "odd", [_value("x")], [output], [yes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)
    folder.mkdir()
    (folder / MODEL).write_bytes(model.SerializeToString())
    manifest = Manifest(
        name="odd",
        modality="image",
        layers=(Layer(name="all", dimensions=16, output="embeddings"),),
        default_layer="all",
        normalize=False,
        files={MODEL: sha256_of(folder / MODEL)},
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return manifest


def _value(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 16])


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_names_and_versions_of_the_encoder_do_not_get_in_the_way(tmp_path, kind, opset):
    space = odd_bundle(tmp_path / "bundle", opset).space()
    features = np.random.default_rng(0).standard_normal((4, 16)).astype(np.float32)
    vectors = (features**2 + np.maximum(features, 0)).astype(np.float16).astype(np.float32)
    compare(tmp_path, tmp_path / "bundle", space, kind, {"x": features}, vectors)


def test_an_encoder_of_an_old_version_is_refused(tmp_path):
    space = odd_bundle(tmp_path / "bundle", 10).space()
    with pytest.raises(InvalidInput, match=r"version 10 of ONNX's operators; .* 11 or later"):
        joined(tmp_path / "bundle", space, head_of(tmp_path, "linear", 16))


def test_another_encoder_than_that_of_the_head_is_refused(tmp_path, text_bundle):
    space = odd_bundle(tmp_path / "bundle").space()
    head = head_of(tmp_path, "linear", 16)
    other = TextEncoder(text_bundle, "cpu").manifest.space(dimensions=16)
    assert other.dimensions < HIDDEN
    with pytest.raises(NotFound, match="has no layer"):
        joined(tmp_path / "bundle", other, head)
    (tmp_path / "bundle" / MANIFEST).write_text(
        odd_bundle(tmp_path / "other").model_copy(update={"files": {MODEL: "0"}}).model_dump_json()
    )
    with pytest.raises(SpaceMismatch, match="encoder 'odd' makes vectors of another space"):
        joined(tmp_path / "bundle", space, head)
