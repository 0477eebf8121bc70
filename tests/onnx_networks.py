"""Small ONNX networks that several test files export, with weights from a fixed seed."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


class Graph:
    """An ONNX graph that grows node by node; constants are its initializers."""

    def __init__(self):
        self.nodes, self.constants = [], []
        self.random = np.random.RandomState(0)

    def add(self, operator, *inputs, name=None, **attributes):
        """Add a node, and return the name of its output."""
        name = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values):
        """Add a constant, and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def draw(self, *shape):
        """Add drawn weights, and return their name."""
        n_in = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
        return self.constant((self.random.standard_normal(shape) * np.sqrt(2 / n_in)).astype(np.float32))

    def save(self, path, shape, *outputs, kind=TensorProto.FLOAT, domain=None):
        """Write the network whose input, "images", has this shape."""
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("images", kind, shape)],
            [helper.make_tensor_value_info(name, kind, None) for name in outputs],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
        save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
        return path


def write_convolutions(path, *, size=(32, 32), batch=None, channels_last=False):
    """Write a classifier of two convolutions, "block1" and "block2", whose output is "scores"."""
    graph = Graph()
    x = graph.add("Transpose", "images", perm=[0, 3, 1, 2]) if channels_last else "images"
    for number, (n_in, n_out) in enumerate([(3, 8), (8, 16)], 1):
        x = graph.add("Conv", x, graph.draw(n_out, n_in, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
        x = graph.add("Relu", x, name=f"block{number}")
    if channels_last:
        graph.add("Transpose", x, perm=[0, 2, 3, 1], name="turned")
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    graph.add("MatMul", x, graph.draw(16, 5), name="scores")
    shape = [batch, *size, 3] if channels_last else [batch, 3, *size]
    return graph.save(path, shape, "scores")


def write_transformer(path, *, size=32, patch=8, width=24, batch=None):
    """Write a vision transformer of one block; "tokens" are the class token and those of the patches."""
    graph = Graph()
    x = graph.add("Conv", "images", graph.draw(width, 3, patch, patch), strides=[patch, patch])
    x = graph.add("Reshape", x, graph.constant(np.array([0, width, -1])))
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    # The class token, repeated for each image of a batch, as torch exports it.
    n_images = graph.add("Gather", graph.add("Shape", x), graph.constant(np.array([0])))
    shape = graph.add("Concat", n_images, graph.constant(np.array([1, width])), axis=0)
    x = graph.add("Concat", graph.add("Expand", graph.draw(1, 1, width), shape), x, axis=1)
    x = graph.add("Add", x, graph.draw(1, 1 + (size // patch) ** 2, width))
    one, zero = (graph.constant(np.full(width, value, np.float32)) for value in (1, 0))
    y = graph.add("LayerNormalization", x, one, zero)
    queries, keys, values = (graph.add("MatMul", y, graph.draw(width, width)) for _ in range(3))
    scores = graph.add("MatMul", queries, graph.add("Transpose", keys, perm=[0, 2, 1]))
    scores = graph.add("Mul", scores, graph.constant(np.float32(width**-0.5)))
    x = graph.add("Add", x, graph.add("MatMul", graph.add("Softmax", scores), values))
    graph.add("LayerNormalization", x, one, zero, name="tokens")
    return graph.save(path, [batch, 3, size, size], "tokens")
