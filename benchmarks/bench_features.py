"""VGG16FeatureTransformer: its speed against bare Keras, its speed when it knows the images, and its memory.

Bare Keras is `keras.Model.predict` of the same network with its average pooling, on arrays that were
resized and preprocessed beforehand, at the batch size that is fastest in the same run. The transformer
starts from the images.
"""

import sys
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from _common import (
    Benchmark,
    choose_batch_size,
    compare,
    in_fresh_process,
    largest_difference,
    load_fish,
    memory_mb,
    per_second,
    timed,
)

from fishsk import VGG16FeatureTransformer
from fishsk.features._images import check_images
from fishsk.features._vgg16_network import load_backbone, resolve_weights


def main():
    """Run all comparisons."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    if bench.quick:
        settings = [(None, 64, 8, (2, 4)), ("cifar95", 32, 40, (8, 16))]
        n_known, memory_sizes = 40, (100, 300)
    else:
        settings = [(None, 224, 64, (4, 8, 16, 32)), ("cifar95", 32, 3000, (64, 128, 256, 512, 1024))]
        n_known, memory_sizes = 3000, (1000, 10_000, 100_000)
    for weights, image_size, n_images, batch_sizes in settings:
        against_keras(bench, weights, image_size, n_images, batch_sizes)
    for weights, image_size, *_ in settings:
        known_images(bench, weights, image_size, n_known)
    peak_memory(bench, memory_sizes)
    bench.write()


def against_keras(bench, weights, image_size, n_images, batch_sizes):
    """Compare `transform` without cache with `keras.Model.predict`."""
    images, _, source = load_fish(n_images)
    where = f"{n_images} of {source} at {image_size} x {image_size}, weights={weights!r}"
    model, batch = bare_keras(weights, images, image_size)
    vgg16 = VGG16FeatureTransformer(weights=weights, image_size=image_size, cache=None)

    def predict(batch_size):
        return model.predict(batch, batch_size=batch_size, verbose=0)

    best, rows = choose_batch_size(predict, batch_sizes)
    bench.table(f"Bare Keras, to find its best batch size: {where}", per_second(rows, n_images))
    sides = {
        f"predict, batch size {best}": partial(predict, best),
        "transform": lambda: vgg16.transform(images),
    }
    rows = compare(sides, bench.repeats, warm_up=True)
    bench.table(f"Extraction without cache: {where}", per_second(rows, n_images))
    error = largest_difference(vgg16.transform(images), predict(best))
    words = f"differ by at most {error:.1e} of the largest one" if error else "are equal, bit for bit"
    bench.note(f"weights={weights!r}: features of fishsk and of bare Keras {words}.")


def bare_keras(weights, images, image_size):
    """Return the network as one would write it in Keras, and its input for all images."""
    import keras

    weights = resolve_weights(weights)
    inputs = keras.Input((image_size, image_size, 3))
    outputs = keras.layers.GlobalAveragePooling2D()(load_backbone(weights)(inputs))
    batch = check_images(images).load(range(len(images)), (image_size, image_size))
    return keras.Model(inputs, outputs), np.asarray(weights.preprocess(batch))


def known_images(bench, weights, image_size, n_images):
    """Compare a transform that runs every image through the network with one that finds all stored."""
    images, _, source = load_fish(n_images)
    with TemporaryDirectory() as folder:
        vgg16 = VGG16FeatureTransformer(weights=weights, image_size=image_size, cache=folder)
        _, cold = timed(vgg16.transform, images)
        sides = {"cold": lambda: {"seconds": cold}, "warm": lambda: vgg16.transform(images)}
        sides["warm, new process"] = lambda: {"seconds": in_fresh_process(first_hit, vgg16, images)[0]}
        rows = compare(sides, bench.repeats)
        loads_tensorflow = in_fresh_process(first_hit, vgg16, images)[1]
    where = f"{n_images} of {source} at {image_size} x {image_size}, weights={weights!r}"
    bench.table(f"Known images (cold ran once): {where}", per_second(rows, n_images))
    words = "loads" if loads_tensorflow else "does not load"
    bench.note(f"weights={weights!r}: a new process that finds all images in the cache {words} TensorFlow.")


def first_hit(vgg16, images):
    """Return the seconds of a process's first transform, and whether TensorFlow was loaded for it."""
    _, seconds = timed(vgg16.transform, images)
    return seconds, "tensorflow" in sys.modules


def peak_memory(bench, sizes):
    """Measure the highest memory of whole processes that extract more and more images."""
    for cached, counts in ((False, sizes), (True, sizes[:-1])):
        rows = [in_fresh_process(extract_and_weigh, n_images, cached) for n_images in counts]
        title = f"Peak memory in MB, cifar95 at 32 x 32, {'an empty cache' if cached else 'no cache'}"
        bench.table(title, rows)


def extract_and_weigh(n_images, cached):
    """Extract features of noise, and return this process's peak memory."""
    images = np.random.default_rng(0).integers(0, 256, (n_images, 32, 32, 3), dtype=np.uint8)
    with TemporaryDirectory() as folder:
        vgg16 = VGG16FeatureTransformer(weights="cifar95", cache=folder if cached else None)
        features = vgg16.transform(images)
    peak, given, returned = memory_mb(), images.nbytes / 1e6, features.nbytes / 1e6
    return {
        "images": n_images,
        "peak": peak,
        "input": given,
        "output": returned,
        "beyond_both": peak - given - returned,
    }


if __name__ == "__main__":
    main()
