"""The same frozen VGG16 on the same images: fishsk, torch alone, and embetter with timm's VGG16.

All sides start from the images in memory; fishsk keeps no features. torch has the very weights of fishsk's
side, in its channels-last layout, at the batch size that is fastest in the same run. embetter's TimmEncoder
goes image by image at 224 x 224, resizes and crops with Pillow, and ends in two wide layers more, which are
1 % of the work; its weights are drawn, not downloaded. It runs in a process of its own, since timm's
compiler and TensorFlow's cannot both be loaded.
"""

from functools import partial
from importlib.util import find_spec
from unittest import mock

import numpy as np
from _common import (
    Benchmark,
    choose_batch_size,
    compare,
    in_fresh_process,
    largest_difference,
    load_fish,
    per_second,
    timed,
)
from PIL import Image

from fishsk import VGG16FeatureTransformer
from fishsk.features._images import check_images
from fishsk.features._vgg16_network import LAYERS, load_backbone, resolve_weights


def main():
    """Compare the sides that are installed."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    n_images, image_size, batch_sizes = (4, 64, (2, 4)) if bench.quick else (64, 224, (4, 8, 32))
    images, _, source = load_fish(n_images)
    vgg16 = VGG16FeatureTransformer(weights=None, image_size=image_size, cache=None)
    sides = {"fishsk": lambda: vgg16.transform(images)}
    if find_spec("torch") is None:
        bench.note("Skipped: torch, which is not installed. pip install torch")
    else:
        run = make_torch_vgg16(images, image_size)
        best, _ = choose_batch_size(run, batch_sizes)
        sides[f"torch, batch size {best}"] = partial(run, best)
        error = largest_difference(run(best), vgg16.transform(images))
        bench.note(f"fishsk and torch differ by at most {error:.1e} of the largest feature.")
    if find_spec("embetter") is None or find_spec("timm") is None:
        bench.note("Skipped: embetter, which is not installed. pip install 'embetter[vision]'")
    else:
        sides["embetter, timm's vgg16"] = lambda: {"seconds": in_fresh_process(time_embetter, images)}
    rows = compare(sides, bench.repeats, warm_up=True)
    bench.table(f"{n_images} of {source} at {image_size} x {image_size}", per_second(rows, n_images))
    bench.write()


def make_torch_vgg16(images, image_size):
    """Return the function from a batch size to the features of all images, computed by torch."""
    import torch

    weights = resolve_weights(None)
    backbone = load_backbone(weights)
    layers = []
    for name in LAYERS:
        if name.endswith("pool"):
            layers.append(torch.nn.MaxPool2d(2))
            continue
        kernel, bias = backbone.get_layer(name).get_weights()
        convolution = torch.nn.Conv2d(*kernel.shape[2:], 3, padding=1)
        convolution.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        convolution.bias.data = torch.from_numpy(bias)
        layers += [convolution, torch.nn.ReLU(inplace=True)]
    network = torch.nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)
    checked = check_images(images)

    def run(batch_size):
        features = []
        for start in range(0, len(images), batch_size):
            indices = range(start, min(start + batch_size, len(images)))
            batch = np.asarray(weights.preprocess(checked.load(indices, (image_size, image_size))))
            with torch.inference_mode():
                maps = network(torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2))
                features.append(maps.mean((2, 3)).numpy())
        return np.concatenate(features)

    return run


def time_embetter(images):
    """Return the seconds that embetter takes to transform all images, once it has been loaded."""
    import timm
    from embetter.vision import TimmEncoder

    # TimmEncoder always asks for pretrained weights, and has no parameter that says otherwise.
    create_model = timm.create_model
    with mock.patch.object(timm, "create_model", lambda name, pretrained, **kw: create_model(name, **kw)):
        encoder = TimmEncoder("vgg16")
    encoder.model.eval()
    pictures = [Image.fromarray(image) for image in images]
    encoder.transform(pictures[:2])
    return timed(encoder.transform, pictures)[1]


if __name__ == "__main__":
    main()
