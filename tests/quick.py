"""A pipeline, files of weights, and what else several test files share."""

import json

from safetensors.numpy import save_file

from fishsk import make_fish_pipeline
from fishsk.features import _engine
from fishsk.features._vgg16_network import _draw_arrays

NARROW = (4, 4, 8, 8, 8)


def forget_networks():
    """Let the next features come from networks that are loaded anew."""
    _engine._loaded.clear()


def make_quick_pipeline(**params):
    """Return a pipeline of drawn weights that is fitted in a moment; `params` win over its own."""
    quick = {
        "features__image_size": 32,
        "features__layers": ["block1_pool", "block2_pool"],
        "head__hidden_units": 16,
        "head__epochs": 8,
        "head__validation_fraction": 0,
    }
    return make_fish_pipeline(weights=None, random_state=0, **quick | params)


def write_safetensors(path, *, widths=NARROW, image_size=32, drop=(), **metadata):
    """Write a narrow VGG16 in the format of tools/pretrain."""
    tensors = {
        f"{name}/{kind}": array
        for name, arrays in _draw_arrays(widths).items()
        for kind, array in zip(("kernel", "bias"), arrays, strict=True)
        if name not in drop
    }
    header = {
        "format": "fishsk-vgg16-1",
        "image_size": str(image_size),
        "widths": json.dumps(NARROW),
        "mean": "[120, 115, 100]",
        "std": "[60, 60, 60]",
    }
    save_file(tensors, path, metadata=header | metadata)
    return path
