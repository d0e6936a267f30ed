"""The decoder one step at a time, about one message, by onnxruntime.

A step of a few hypotheses is little work on many weights: onnxruntime packs them once and does it
three times as fast on one core as torch. The graph is built from the decoder's weights when the
parser is loaded; it computes what `encoder.Decoder.forward` does for the last of its indices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession, SessionOptions
from torch import nn

from llm.encoder import Attention, Decoder, Layer, Memory
from llm.grammar import TOKENS

_OPSET, _FORMAT = 20, 10  # what onnxruntime 1.19 reads

Floats = NDArray[np.float32]


class StepDecoder:
    """What every message shares: the packed graph and the tables of what a step may follow."""

    def __init__(self, decoder: Decoder):
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = graph_of(decoder).SerializeToString()
        self.session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.tokens = _array(decoder.tokens.weight)
        self.places = _array(decoder.places.weight)
        self.layers, self.heads = len(decoder.layers), decoder.shape.heads

    def begin(self, memory: Memory) -> Steps:
        """Steps about a message that `ParserModel.read` has read, a batch of one."""
        return Steps(self, memory)


class Steps:
    """The hypotheses about one message, step by step."""

    def __init__(self, decoder: StepDecoder, memory: Memory):
        self._decoder = decoder
        self._copied = _array(memory.copied[0])
        self._fixed = {"word_keys": _array(memory.word_keys[0])}
        for at, (keys, values) in enumerate(memory.source):
            self._fixed |= {f"source_keys_{at}": _array(keys[0])}
            self._fixed |= {f"source_values_{at}": _array(values[0])}
        width = decoder.tokens.shape[1]
        none = np.zeros((1, decoder.heads, 0, width // decoder.heads), np.float32)
        self._past: list[Floats] = [none] * (2 * decoder.layers)

    def next(self, indices: Sequence[int]) -> Floats:
        """Scores (B, tokens + words) of what follows `indices`, each the last of a hypothesis."""
        decoder = self._decoder
        told = [
            decoder.tokens[i] if i < len(TOKENS) else self._copied[i - len(TOKENS)] for i in indices
        ]
        x = np.stack(told) + decoder.places[self._past[0].shape[2]]
        past = dict(zip(_past_names(decoder.layers), self._past, strict=True))
        scores, *self._past = decoder.session.run(None, {"x": x} | past | self._fixed)
        return scores

    def follow(self, rows: Sequence[int]) -> None:
        """Go on with these of the hypotheses."""
        self._past = [part[list(rows)] for part in self._past]


def graph_of(decoder: Decoder) -> onnx.ModelProto:
    """The graph of one step.

    Inputs: x (B, D) embedded indices; past_keys_i and past_values_i (B, heads, t, D / heads) of
    every layer; source_keys_i and source_values_i (heads, S, D / heads) and word_keys (W, D) of the
    message. Outputs: scores (B, tokens + W), and the past with this step.
    """
    graph = _Graph(decoder.shape.heads)
    x, present = "x", []
    for at, layer in enumerate(decoder.layers):
        assert isinstance(layer, Layer)
        x, pair = graph.layer(x, layer, at)
        present += pair
    x = graph.norm(x, decoder.norm)
    pointed = graph.linear(x, decoder.to_pointer, 1 / math.sqrt(decoder.shape.width))
    pointed = graph("MatMul", pointed, graph("Transpose", "word_keys", perm=[1, 0]))
    scores = graph("Concat", graph.linear(x, decoder.to_tokens), pointed, axis=1)
    inputs = ["x", "word_keys", *_past_names(len(decoder.layers))]
    inputs += [f"source_{part}_{i}" for i in range(len(decoder.layers)) for part in _PARTS]
    outputs = [_tensor(name) for name in (scores, *present)]
    given = [_tensor(name) for name in inputs]
    made = helper.make_graph(graph.nodes, "step", given, outputs, graph.weights)
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(made, opset_imports=opset, ir_version=_FORMAT)


_PARTS = ("keys", "values")


def _past_names(layers: int) -> list[str]:
    return [f"past_{part}_{at}" for at in range(layers) for part in _PARTS]


class _Graph:
    """Nodes and weights as they are added; a call adds a node and gives its output's name."""

    def __init__(self, heads: int):
        self.heads = heads
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def __call__(self, operation: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def linear(
        self, x: str, layer: nn.Linear, scale: float = 1.0, part: slice = slice(None)
    ) -> str:
        """`scale` times the layer's outputs, or a part of them: (B, in) -> (B, out)."""
        weight, bias = scale * _array(layer.weight)[part], scale * _array(layer.bias)[part]
        return self("Gemm", x, self.constant(weight), self.constant(bias), transB=1)

    def norm(self, x: str, layer: nn.LayerNorm) -> str:
        weight, bias = self.constant(_array(layer.weight)), self.constant(_array(layer.bias))
        return self("LayerNormalization", x, weight, bias, epsilon=layer.eps)

    def reshape(self, x: str, *shape: int) -> str:
        return self("Reshape", x, self.constant(np.array(shape)))

    def layer(self, x: str, layer: Layer, at: int) -> tuple[str, list[str]]:
        """`encoder.Layer.forward`: the new x, and the names of its keys and values so far."""
        width = layer.own.out.in_features
        normed = self.norm(x, layer.norms[0])
        present = []
        for part, outputs in zip(_PARTS, (slice(width), slice(width, None)), strict=True):
            new = self.linear(normed, layer.own.pair, part=outputs)
            new = self.reshape(new, -1, self.heads, 1, width // self.heads)
            present.append(self("Concat", f"past_{part}_{at}", new, axis=2))
        query = self.reshape(self.query(normed, layer.own), -1, self.heads, 1, width // self.heads)
        mixed = self.attend(query, present[0], present[1], [0, 1, 3, 2])
        x = self("Add", x, self.linear(self.reshape(mixed, -1, width), layer.own.out))
        # All hypotheses look at the same message: they are one long query.
        query = self.query(self.norm(x, layer.norms[1]), layer.source)
        query = self.reshape(query, -1, self.heads, width // self.heads)
        query = self("Transpose", query, perm=[1, 0, 2])
        mixed = self.attend(query, f"source_keys_{at}", f"source_values_{at}", [0, 2, 1])
        mixed = self.reshape(self("Transpose", mixed, perm=[1, 0, 2]), -1, width)
        x = self("Add", x, self.linear(mixed, layer.source.out))
        inner = self("Gelu", self.linear(self.norm(x, layer.norms[2]), layer.inner[0]))
        return self("Add", x, self.linear(inner, layer.inner[2])), present

    def query(self, x: str, attention: Attention) -> str:
        width = attention.query.in_features
        return self.linear(x, attention.query, (width / self.heads) ** -0.5)

    def attend(self, query: str, keys: str, values: str, turned: list[int]) -> str:
        scores = self("MatMul", query, self("Transpose", keys, perm=turned))
        return self("MatMul", self("Softmax", scores, axis=-1), values)


def _tensor(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _array(tensor: Any) -> Floats:
    return tensor.detach().float().cpu().numpy()
