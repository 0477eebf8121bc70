"""Private names of Keras 3.15."""

import keras


def forget_model(callback: keras.callbacks.Callback) -> None:
    """Take the model away from a callback; `set_model`, the public way, does more in some callbacks."""
    callback._model = None
