"""Any frozen network of Keras, as `Settings` wants a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fishsk._utils.process import check_not_forked
from fishsk._utils.versions import check_tensorflow
from fishsk.features._applications import Application
from fishsk.features._custom_models import GivenModel, ModelFile
from fishsk.features._description import Description
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._vgg16_network import VGG16

PREPROCESSINGS = ("caffe", "tf", "torch", "unit")


@dataclass(frozen=True)
class KerasBackbone:
    """Where a network comes from, and what is known of it at one size of its images.

    A `preprocessing` of None is the network's own. Where the end of an application is asked for,
    `keras_pooling` is how Keras is to pool it: a few networks, such as ConvNeXt, normalize what was pooled.
    """

    source: Application | VGG16 | ModelFile | GivenModel
    description: Description
    preprocessing: str | None
    keras_pooling: str | None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def origin(self) -> str:
        return self.source.origin

    @property
    def license(self) -> str:
        return self.source.license

    @property
    def engine(self) -> str:
        return self.source.engine

    @property
    def digest(self) -> str:
        """What changes whenever a number in the weights does."""
        return self.source.digest(self.description)

    def count_columns(self, layer: str, pooling: str | None, image_size: tuple[int, int]) -> int:
        """Return the number of features of a layer."""
        return self.description.count_columns(layer, pooling)

    def to_json(self) -> dict[str, Any]:
        """Return what the features are stored under."""
        return {
            "backbone": self.name if self.source.is_named else "own",
            "weights": self.digest,
            "graph": self.description.graph,
            "preprocessing": self.preprocessing,
            "keras_pooling": self.keras_pooling,
        }

    def write_maps(self, file: LitertFile) -> dict[str, Tensor]:
        """Write the network to a file of LiteRT, and return its maps: none where that takes TensorFlow."""
        return self.source.write_maps(file) if self.preprocessing is None else {}

    def load_maps(self, layers: Sequence[str]) -> Any:
        """Return the frozen Keras model from RGB in 0 to 255 to the outputs of layers."""
        check_tensorflow()
        check_not_forked()
        network = self.source.load(self.description, self.keras_pooling)
        import keras

        if self.keras_pooling is None:  # a Sequential model has no output of its own
            outputs = [network.get_layer(layer).output for layer in layers]
        else:
            outputs = [network.output]
        maps = keras.Model(network.inputs[0], outputs, name="backbone")
        images = keras.Input((*self.description.image_size, 3), dtype="float32")
        model = keras.Model(images, maps(self._preprocess(images), training=False), name="frozen")
        model.trainable = False
        return model

    def _preprocess(self, images: Any) -> Any:
        import keras

        if self.preprocessing is None:
            return self.source.preprocess(images)
        if self.preprocessing == "unit":
            return keras.layers.Rescaling(1 / 255, dtype="float32", name="preprocess")(images)
        return keras.applications.imagenet_utils.preprocess_input(images, mode=self.preprocessing)
