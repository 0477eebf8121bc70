"""A Keras model that trains, or a custom network that has learned, and what its outputs mean."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from fishsk.head._calibration import to_scores
from fishsk.head._dense import Architecture, DenseNetwork
from fishsk.head._targets import Rows, take_rows

if TYPE_CHECKING:
    from fishsk.head._trainer import Trainer

#: Kind of an output by the loss that it is trained with; any other loss trains no probabilities.
_KINDS = {
    "sparsecategoricalcrossentropy": "softmax",
    "categoricalcrossentropy": "softmax",
    "categoricalfocalcrossentropy": "softmax",
    "binarycrossentropy": "sigmoid",
    "binaryfocalcrossentropy": "sigmoid",
}


def name_loss(loss: object) -> str | None:
    """Return what a name, function, class or instance of a loss is called; None for several, or for none."""
    if loss is None or isinstance(loss, list | tuple | dict):
        return None
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    named = loss if inspect.isclass(loss) or inspect.isroutine(loss) else type(loss)
    return named.__name__.lower().replace("_", "")


@dataclass
class KerasNetwork:
    """A compiled Keras model, the learning rate it began with, and its graphs if nobody shares them.

    The built-in network is one, too, with its `architecture`, while it trains.
    """

    model: keras.Model
    rate: float | None = None
    architecture: Architecture | None = None
    trainer: Trainer | None = None

    @classmethod
    def of(cls, model: keras.Model, architecture: Architecture | None = None) -> KerasNetwork:
        """Return a model as a network; a schedule for its learning rate steers itself."""
        rate = model.optimizer.get_config().get("learning_rate") if model.compiled else None
        return cls(model, rate if isinstance(rate, float | int) else None, architecture)

    def learned(self, model: keras.Model, *, keeps_optimizer: bool = False) -> DenseNetwork | KerasNetwork:
        """Return what a head keeps of `model`, which has trained in the place of this network's."""
        if self.architecture is None:
            return self
        state = [variable.numpy() for variable in model.optimizer.variables] if keeps_optimizer else None
        return DenseNetwork(self.architecture, model.get_weights(), state)

    @property
    def kinds(self) -> list[str]:
        """Kind of each output."""
        return [kind for kind, _ in self.read_losses()]

    def scores(self, X: Rows, batch_size: int = 256) -> Any:
        """Return the logits of rows where outputs are probabilities, else the outputs; of several a list."""
        batches = [
            self.model.predict_step((take_rows(X, slice(start, start + batch_size)),))
            for start in range(0, len(keras.tree.flatten(X)[0]), batch_size)
        ]
        outputs = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)
        outputs = list(outputs.values()) if isinstance(outputs, dict) else outputs
        parts = outputs if isinstance(outputs, list | tuple) else [outputs]
        scores = [
            to_scores(part, kind, is_logits=is_logits)
            for part, (kind, is_logits) in zip(parts, self.read_losses(), strict=True)
        ]
        return scores if isinstance(outputs, list | tuple) else scores[0]

    def read_losses(self) -> list[tuple[str, bool]]:
        """Return of each loss what it makes of an output, and whether that answers with logits."""
        losses = self.model.loss
        losses = list(losses.values()) if isinstance(losses, dict) else losses
        found = [
            (_KINDS.get(name_loss(loss) or "", "linear"), bool(getattr(loss, "from_logits", False)))
            for loss in (losses if isinstance(losses, list | tuple) else [losses])
        ]
        return found * len(getattr(self.model, "outputs", None) or [0]) if len(found) == 1 else found

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"trainer": None}  # Keras writes the model; graphs are traced anew
