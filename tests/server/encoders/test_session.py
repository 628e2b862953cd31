from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from frostline.server.encoders.registry import Registry
from frostline.server.encoders.session import Session
from frostline.server.errors import InvalidInput

ROW = np.ones((2, 3), np.float32)


def value(name: str) -> object:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3])


def write(path: Path, nodes: list, outputs: list[str], weights: list) -> Path:
    graph = helper.make_graph(nodes, "test", [value("x")], [value(name) for name in outputs], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def weight(name: str, *numbers: float) -> TensorProto:
    return numpy_helper.from_array(np.array(numbers, np.float32), name)


@pytest.fixture
def model(tmp_path) -> Path:
    """`broken` fails whenever it is computed; `half` and `double` do not need it."""
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["double"]),
        helper.make_node("Reshape", ["double", "impossible"], ["broken"]),
        helper.make_node("Div", ["double", "four"], ["half"]),
    ]
    impossible = numpy_helper.from_array(np.array([7, 11]), "impossible")
    return write(
        tmp_path / "model.onnx", nodes, ["double", "broken", "half"], [weight("two", 2), weight("four", 4), impossible]
    )


def test_what_other_outputs_need_is_never_computed(model):
    session = Session(model, ["half"], "cpu")
    np.testing.assert_array_equal(session.run({"x": ROW})[0], ROW / 2)
    with pytest.raises(Exception, match="Reshape"):
        Session(model, ["broken"], "cpu").run({"x": ROW})


def test_outputs_come_in_the_order_asked_for(model):
    half, double = Session(model, ["half", "double"], "cpu").run({"x": ROW})
    assert (half[0, 0], double[0, 0]) == (0.5, 2.0)


def test_weights_that_only_a_subgraph_reads_are_kept(tmp_path):
    def branch(name: str, operator: str) -> object:
        node = helper.make_node(operator, ["outer", "two"], [name])
        return helper.make_graph([node], name, [], [value(name)])

    nodes = [
        helper.make_node("Mul", ["x", "two"], ["outer"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch("a", "Mul"), else_branch=branch("b", "Add")),
    ]
    yes = numpy_helper.from_array(np.array(True), "yes")
    path = write(tmp_path / "model.onnx", nodes, ["y"], [weight("two", 2), yes])
    np.testing.assert_array_equal(Session(path, ["y"], "cpu").run({"x": ROW})[0], ROW * 4)


def test_an_output_that_is_not_there_is_refused_with_those_that_are(model):
    with pytest.raises(InvalidInput, match="nothing; it has double, broken, half"):
        Session(model, ["nothing"], "cpu")


@pytest.mark.parametrize("content", [b"", b"\x00\x01not a graph", b"\x08"])
def test_a_file_that_is_no_graph_is_refused(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"model\.onnx"):
        Session(tmp_path / "model.onnx", ["y"], "cpu")


def test_weights_in_other_files_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(12))
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=str(tmp_path / "secret"))
    path = write(tmp_path / "model.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], ["y"], [tensor])
    with pytest.raises(InvalidInput, match="keeps the tensor 'w' in another file"):
        Session(path, ["y"], "cpu")
    inner = helper.make_graph([helper.make_node("Add", ["x", "w"], ["a"])], "inner", [], [value("a")], [tensor])
    node = helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)
    path = write(tmp_path / "model.onnx", [node], ["y"], [numpy_helper.from_array(np.array(True), "yes")])
    with pytest.raises(InvalidInput, match="keeps the tensor 'w' in another file"):
        Session(path, ["y"], "cpu")


def test_a_graph_the_runtime_cannot_run_is_refused(tmp_path):
    path = write(tmp_path / "model.onnx", [helper.make_node("NoSuchOperator", ["x"], ["y"])], ["y"], [])
    with pytest.raises(InvalidInput, match="NoSuchOperator"):
        Session(path, ["y"], "cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:x", "cpu:1", ""])
def test_an_unknown_device_is_refused(model, device):
    with pytest.raises(InvalidInput, match="use auto, cpu or cuda:0"):
        Session(model, ["half"], device)


def test_a_gpu_is_refused_where_the_runtime_has_none(model, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(InvalidInput, match=r"frostline\[gpu\]"):
        Session(model, ["half"], "cuda:0")
    assert Session(model, ["half"], "auto").device == "cpu"


def test_auto_goes_on_with_the_cpu_where_the_gpu_does_not_start(model, monkeypatch, caplog):
    """As with onnxruntime-gpu on a machine without a driver."""
    start = onnxruntime.InferenceSession

    def without_driver(data, options, providers, **rest):
        if providers != ["CPUExecutionProvider"]:
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")
        return start(data, options, providers=providers, **rest)

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", without_driver)
    assert Session(model, ["half"], "auto").device == "cpu"
    assert "no CUDA-capable device" in caplog.text
    with pytest.raises(InvalidInput, match="no CUDA-capable device"):
        Session(model, ["half"], "cuda:0")


def test_a_registry_refuses_a_device_that_is_not_there_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(InvalidInput, match="'cuda:0' needs onnxruntime-gpu"):
        Registry(tmp_path / "encoders", device="cuda:0")
