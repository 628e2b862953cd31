"""ONNX graphs of heads: embeddings in, logits, probabilities and closeness to the examples out.

They are put together from operators that mean the same in every version of ONNX from 11 on, so that they can be joined
to the graph of any encoder; see `joining`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from frostline.server.heads.decision import Decision, Linear, Neighbors, Perceptron
from frostline.server.heads.feature_scaling import FeatureScaling
from frostline.server.heads.fitted import Fitted, Task

INPUT = "embeddings"
LOGITS, PROBABILITIES, VALUES, SCOPE = "logits", "probabilities", "values", "scope"
OLDEST_OPSET = 11
IR_VERSION = 8

_OPSET = 17


def outputs(task: Task) -> tuple[str, ...]:
    """What the graph of a head gives."""
    return (VALUES, SCOPE) if task is Task.VALUE else (LOGITS, PROBABILITIES, SCOPE)


def head_graph(fitted: Fitted, *, precise: bool = False) -> ModelProto:
    """Writes a head as a graph.

    Args:
        fitted: the head.
        precise: whether logits are computed in float64. Weights of great length that cancel each other need it; votes
            do not.

    Returns:
        A graph from `embeddings`, float32 of shape (n, d), to `logits` and `probabilities`, float32 of shape (n, c),
        and `scope`, float32 of shape (n,): the highest cosine to the mean of a class. Of numbers, `values`, float64 of
        shape (n,), takes the place of the former two, and is computed in float64 always.
    """
    classes, dimensions = fitted.scope.means.shape
    is_value = fitted.task is Task.VALUE
    graph = _Graph(classes, dimensions, is_value or (precise and not isinstance(fitted.decision, Neighbors)))
    features = _scaled(graph, fitted.scaling)
    unit = graph.unit_length(features, "unit")
    logits, flat = _logits(graph, fitted.decision, features, unit), graph.constant("flat", np.array([-1]))
    if is_value:
        graph.apply("Reshape", [logits, flat], VALUES)
    else:
        graph.to_float32(logits, LOGITS)
        graph.to_float32(_shares(graph, logits, fitted), PROBABILITIES)
    near = graph.apply("MatMul", [unit, graph.constant("means", np.ascontiguousarray(fitted.scope.means.T))], "near")
    nearest = graph.first(near, 1, "nearest_mean")
    graph.apply("Reshape", [nearest, flat], SCOPE)
    return graph.model(outputs(fitted.task))


def values_per_row(fitted: Fitted) -> int:
    """How many values the largest tensor of the graph has for each embedding, about."""
    largest: int = max(fitted.scope.means.shape)
    if isinstance(fitted.decision, Neighbors):
        ballots = len(fitted.classes) * fitted.decision.neighbors
        largest = max(largest, len(fitted.decision.vectors), ballots)
    return largest


def _scaled(graph: "_Graph", scaling: FeatureScaling) -> str:
    """See `feature_scaling.scaled`."""
    if scaling is FeatureScaling.NONE:
        return INPUT
    values = INPUT
    if scaling is FeatureScaling.SQUARE_ROOT:
        roots = graph.apply("Sqrt", [graph.apply("Abs", [INPUT], "absolute")], "roots")
        values = graph.apply("Mul", [graph.apply("Sign", [INPUT], "signs"), roots], "signed_roots")
    return graph.unit_length(values, "scaled_embeddings")


def _logits(graph: "_Graph", decision: Decision, features: str, unit: str) -> str:
    match decision:
        case Linear():
            return graph.affine(graph.widened(features), decision.coef, decision.intercept, "linear")
        case Perceptron():
            hidden = graph.affine(graph.widened(features), decision.hidden, decision.hidden_intercept, "hidden")
            units = graph.apply("Relu", [hidden], "units")
            return graph.affine(units, decision.output, decision.output_intercept, "output")
        case Neighbors():
            return _votes(graph, decision, unit)
        case _:
            raise TypeError(f"no graph is known for {type(decision).__name__}")


def _shares(graph: "_Graph", logits: str, fitted: Fitted) -> str:
    """See `calibration.shares`."""
    scaled = graph.apply("Div", [logits, graph.weight("temperature", np.array(fitted.temperature))], "scaled")
    if fitted.task is Task.LABELS:
        return graph.apply("Sigmoid", [scaled], "shares")
    return graph.apply("Softmax", [scaled], "shares", axis=1)


def _votes(graph: "_Graph", decision: Neighbors, unit: str) -> str:
    """See `Neighbors.logits`."""
    near = graph.apply("MatMul", [unit, graph.constant("vectors", np.ascontiguousarray(decision.vectors.T))], "similar")
    graph.first(near, decision.neighbors, "nearest")
    voters = graph.apply("Gather", [graph.constant("targets", decision.targets), "nearest.places"], "voters", axis=0)
    depth = graph.constant("classes", np.array([decision.classes]))
    ballots = graph.apply("OneHot", [voters, depth, graph.weight("marks", np.array([0.0, 1.0]))], "ballots", axis=1)
    counted = graph.apply("MatMul", [ballots, graph.weight("ones", np.ones((decision.neighbors, 1)))], "counted")
    shape = graph.constant("flat_votes", np.array([-1, decision.classes]))
    votes = graph.apply("Reshape", [counted, shape], "votes")
    shared = graph.apply("Add", [votes, graph.weight("one_shared", np.array(1 / decision.classes))], "shared")
    total = graph.weight("total", np.array(decision.neighbors + 1.0))
    return graph.apply("Log", [graph.apply("Div", [shared, total], "vote_shares")], "vote_logits")


class _Graph:
    """A graph under construction. Tensors are named as they are made; each method returns the name."""

    def __init__(self, classes: int, dimensions: int, precise: bool) -> None:
        self._classes, self._dimensions = classes, dimensions
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._weights = np.float64 if precise else np.float32

    def constant(self, name: str, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Adds an array as it is."""
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str, array: NDArray[np.float64]) -> str:
        """Adds an array in the precision of logits."""
        self._constants.append(numpy_helper.from_array(np.asarray(array, self._weights, order="C"), name))
        return name

    def apply(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: int) -> str:
        """Adds a node; returns its first output."""
        node = helper.make_node(operator, inputs, outputs, outputs[0])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._nodes.append(node)
        return outputs[0]

    def widened(self, tensor: str) -> str:
        """Brings a tensor to the precision of logits."""
        if self._weights == np.float32:
            return tensor
        return self.apply("Cast", [tensor], f"{tensor}.wide", to=TensorProto.DOUBLE)

    def affine(self, tensor: str, weight: NDArray[np.float64], intercept: NDArray[np.float64], name: str) -> str:
        """Multiplies by a weight that is stored (out, in), and adds an intercept."""
        product = self.apply("MatMul", [tensor, self.weight(f"{name}.weight", weight.T)], f"{name}.product")
        return self.apply("Add", [product, self.weight(f"{name}.intercept", intercept)], name)

    def first(self, tensor: str, count: int, name: str) -> str:
        """The largest values of each row, and as `NAME.places` where they are; of equal ones the first."""
        self.apply("TopK", [tensor, self.constant(f"{name}.count", np.array([count]))], name, f"{name}.places", axis=1)
        return name

    def unit_length(self, tensor: str, name: str) -> str:
        """Divides rows by their length; rows of zeros stay."""
        ones = self.constant(f"{name}.ones", np.ones((self._dimensions, 1), np.float32))
        squares = self.apply("Mul", [tensor, tensor], f"{name}.squares")
        length = self.apply("Sqrt", [self.apply("MatMul", [squares, ones], f"{name}.squared_length")], f"{name}.length")
        floor = self.constant(f"{name}.tiny", np.array(np.finfo(np.float32).tiny, np.float32))
        return self.apply("Div", [tensor, self.apply("Max", [length, floor], f"{name}.divisor")], name)

    def to_float32(self, tensor: str, name: str) -> None:
        """Makes an output of a tensor."""
        self.apply("Cast", [tensor], name, to=TensorProto.FLOAT)

    def model(self, outputs: Sequence[str]) -> ModelProto:
        """Closes the graph; it gives these."""
        inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", self._dimensions])]
        known = {
            LOGITS: helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["n", self._classes]),
            PROBABILITIES: helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["n", self._classes]),
            VALUES: helper.make_tensor_value_info(VALUES, TensorProto.DOUBLE, ["n"]),
            SCOPE: helper.make_tensor_value_info(SCOPE, TensorProto.FLOAT, ["n"]),
        }
        graph = helper.make_graph(self._nodes, "head", inputs, [known[name] for name in outputs], self._constants)
        opset = helper.make_opsetid("", _OPSET)
        return ModelProto(ir_version=IR_VERSION, producer_name="frostline", graph=graph, opset_import=[opset])
