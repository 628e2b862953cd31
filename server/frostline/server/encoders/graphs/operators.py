"""Small pieces of ONNX that graphs are put together from.

What is written depends on the weights alone and not on the version of onnx, so that one checkpoint has one fingerprint
everywhere: versions are fixed here, and protobuf fields are serialised in their order.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from frostline.server.encoders.space import Pooling

MICROSOFT = "com.microsoft"
"""Domain of ONNX Runtime's fused operators."""

_OPSETS = (("", 17), (MICROSOFT, 1))
_IR_VERSION = 8


class Graph:
    """An ONNX graph under construction. Tensors are named as they are made; each method returns the name.

    Text graphs take `input_ids` and `attention_mask`, int64 of shape (n, t), real tokens first, at least one a row.
    """

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []

    def weight(self, name: str, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Adds a constant."""
        self._weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def apply(
        self,
        operator: str,
        inputs: Sequence[str],
        *outputs: str,
        domain: str = "",
        **attributes: int | float | Sequence[int],
    ) -> str:
        """Adds a node; returns its first output."""
        node = helper.make_node(operator, inputs, outputs, outputs[0], domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self._nodes.append(node)
        return outputs[0]

    def text_model(self, name: str, outputs: Mapping[str, int]) -> ModelProto:
        """Closes a text graph.

        Args:
            name: of the graph.
            outputs: tensors of shape (n, d) by name, with their d.
        """
        inputs = [
            helper.make_tensor_value_info(x, TensorProto.INT64, ["n", "t"]) for x in ("input_ids", "attention_mask")
        ]
        values = [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", size]) for x, size in outputs.items()]
        graph: GraphProto = helper.make_graph(self._nodes, name, inputs, values, self._weights)
        return ModelProto(
            ir_version=_IR_VERSION,
            producer_name="frostline",
            producer_version="1",
            graph=graph,
            opset_import=[helper.make_opsetid(domain, version) for domain, version in _OPSETS],
        )


def dense(graph: Graph, inputs: str, name: str, weight: NDArray[np.float32]) -> str:
    """Multiplies by a weight that is stored (out, in), as torch does; the bias is fused into what follows."""
    return graph.apply("MatMul", [inputs, graph.weight(f"{name}.weight", weight.T)], name)


def masks(graph: Graph, pooling: Pooling) -> None:
    """Makes what pooling reads of the attention mask: `mask`, and by its kind `mask_row`, `count`, `last`."""
    graph.apply("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    if pooling is Pooling.MEAN:
        graph.apply("Cast", ["attention_mask"], "mask_values", to=TensorProto.FLOAT)
        graph.apply("Unsqueeze", ["mask_values", graph.weight("axis_1", np.array([1]))], "mask_row")
        graph.apply("ReduceSum", ["mask_values", "axis_1"], "count", keepdims=1)
    elif pooling is Pooling.LAST_TOKEN:
        graph.apply("ReduceSum", ["attention_mask", graph.weight("axis_1", np.array([1]))], "lengths", keepdims=1)
        graph.apply("Sub", ["lengths", graph.weight("one", np.array(1))], "last")


def pool(graph: Graph, pooling: Pooling, hidden: str, name: str) -> str:
    """Averages, or picks, token embeddings, ignoring padding.

    Args:
        graph: has been through `masks`.
        pooling: MEAN, CLS or LAST_TOKEN.
        hidden: tensor of shape (n, t, d).
        name: of the tensor of shape (n, d) that is made.

    Source: Reimers and Gurevych 2019, section 3; `Pooling` of sentence-transformers.
    """
    if pooling is Pooling.MEAN:
        graph.apply("MatMul", ["mask_row", hidden], f"{name}.sum_row")
        graph.apply("Squeeze", [f"{name}.sum_row", "axis_1"], f"{name}.sum")
        return graph.apply("Div", [f"{name}.sum", "count"], name)
    if pooling is Pooling.LAST_TOKEN:
        return graph.apply("GatherND", [hidden, "last"], name, batch_dims=1)
    return graph.apply("Gather", [hidden, graph.weight(f"{name}.first", np.array(0))], name, axis=1)


def unit_length(graph: Graph, vectors: str, name: str) -> str:
    """Divides rows of shape (n, d) by their length, at least 1e-12 as in torch's `normalize`."""
    graph.apply("ReduceL2", [vectors], f"{name}.length", axes=[1], keepdims=1)
    floor = graph.weight(f"{name}.floor", np.array(1e-12, np.float32))
    return graph.apply("Div", [vectors, graph.apply("Max", [f"{name}.length", floor], f"{name}.divisor")], name)
