"""
A network from elsewhere, by ONNX
=================================

timm, DINOv2, CLIP's image tower, a company's own: any network in an ONNX file can be the frozen one.
It needs ``pip install "fishsk[onnx]"``.
"""

# %%
# The file
# --------
# Whoever has PyTorch writes it with ``torch.onnx.export(model, images, "network.onnx")``. Here a small vision
# transformer is written node by node, of DINO's kind: patches become tokens, a class token is put before
# them, and all look at each other. Its weights are drawn, so that nothing has to be downloaded.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from fishsk import OnnxFeatureTransformer, make_fish_pipeline
from fishsk.datasets import make_fish_images

SIZE, PATCH, WIDTH = 64, 4, 96
n_tokens = (SIZE // PATCH) ** 2
random_state = np.random.RandomState(0)
nodes, constants = [], []


def add(operator, *inputs, **attributes):
    """Add a node, and return the name of its output."""
    nodes.append(helper.make_node(operator, inputs, [f"{operator}_{len(nodes)}"], **attributes))
    return nodes[-1].output[0]


def constant(values):
    """Add a constant, and return its name."""
    constants.append(numpy_helper.from_array(np.asarray(values), f"constant_{len(constants)}"))
    return constants[-1].name


def draw(*shape):
    """Add drawn weights, and return their name."""
    scale = np.sqrt(1 / np.prod(shape[1:]))
    return constant((scale * random_state.standard_normal(shape)).astype(np.float32))


x = add("Conv", "images", draw(WIDTH, 3, PATCH, PATCH), strides=[PATCH, PATCH])
x = add("Transpose", add("Reshape", x, constant(np.array([1, WIDTH, n_tokens]))), perm=[0, 2, 1])
x = add("Concat", draw(1, 1, WIDTH), x, axis=1)
one, zero = (constant(np.full(WIDTH, value, dtype=np.float32)) for value in (1, 0))
for _ in range(2):
    y = add("LayerNormalization", x, one, zero)
    queries, keys, values = (add("MatMul", y, draw(WIDTH, WIDTH)) for _ in range(3))
    attention = add("Softmax", add("MatMul", queries, add("Transpose", keys, perm=[0, 2, 1])))
    x = add("Add", x, add("MatMul", attention, values))
    y = add("Relu", add("MatMul", add("LayerNormalization", x, one, zero), draw(WIDTH, WIDTH)))
    x = add("Add", x, y)
nodes.append(helper.make_node("LayerNormalization", [x, one, zero], ["tokens"]))

images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
tokens = helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, 1 + n_tokens, WIDTH])
graph = helper.make_graph(nodes, "vision transformer", [images], [tokens], constants)
scratch = tempfile.TemporaryDirectory()
network = Path(scratch.name, "network.onnx")
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), network)

# %%
# Its features
# ------------
# The path makes the pipeline. The 3 in the file tells where the channels are, and ``preprocessing`` what the
# network was trained to see. ``pooling="first"`` is the class token, ``"avg"`` the mean of all tokens; with
# trained weights try both.

X, y = make_fish_images(400, random_state=0)
for pooling in ("first", "avg"):
    pipeline = make_fish_pipeline(
        backbone=str(network), head=LogisticRegression(C=0.01), features__pooling=pooling
    )
    print(f"{pooling}: accuracy {cross_val_score(pipeline, X, y, cv=5).mean():.2f}")

# %%
# Beside another network
# ----------------------

pipeline = make_fish_pipeline(
    backbone=[str(network), "vgg16.cifar95"],
    head=LogisticRegression(C=0.01),
    features__vgg16__views="mirror",
)
print(f"with cifar95 beside it: accuracy {cross_val_score(pipeline, X, y, cv=5).mean():.2f}")

# %%
# What the tokens hold
# --------------------
# With ``pooling=None`` all tokens come. Their first three principal components as red, green and blue are
# the pictures that DINO is known for: patches of one color are alike to the network. Drawn weights know
# colors and textures alone; trained ones know parts of animals.

rows = OnnxFeatureTransformer(network, pooling=None).transform(X[:6])
patches = rows.reshape(6, 1 + n_tokens, WIDTH)[:, 1:]
components = PCA(3).fit_transform(patches.reshape(-1, WIDTH))
low, high = np.percentile(components, [2, 98], axis=0)
colors = ((components - low) / (high - low)).clip(0, 1).reshape(6, SIZE // PATCH, SIZE // PATCH, 3)

figure, axes = plt.subplots(2, 6, figsize=(8, 3), layout="constrained")
for (above, below), image, color in zip(axes.T, X, colors, strict=False):
    above.imshow(image)
    below.imshow(color)
figure.suptitle("Images, and the first three principal components of their patches")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
scratch.cleanup()
