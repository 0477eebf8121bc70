"""Compare, bit for bit, the pixels that versions of OpenCV and Pillow give to the networks.

Run ``python tools/compare_pixels.py``. Each version is installed by pip into a folder of its own, which goes
before the installed one; `read_image` and `resize_image` then work on the same drawn images and files. The
first block is what is installed. The last are the installed versions without Intel's library and without the
processor's vector instructions, as other machines run them. Exits with 1 if a digest differs from the first.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image

from fishsk.features import read_image, resize_image

VERSIONS = [
    *(f"opencv-python-headless=={version}" for version in ("4.10.0.84", "4.11.0.86", "4.12.0.88")),
    *(f"opencv-python-headless=={version}" for version in ("4.13.0.92", "4.14.0.94", "5.0.0.93")),
    *(f"pillow=={version}" for version in ("10.4.0", "11.0.0", "11.3.0", "12.0.0", "12.3.0", "13.0.0")),
]
PLAIN = {
    "OpenCV without AVX": {"OPENCV_CPU_DISABLE": "AVX512_SKX,AVX2,FMA3,AVX"},
    "OpenCV without Intel's IPP": {"OPENCV_IPP": "disabled"},
    "libjpeg-turbo without SIMD": {"JSIMD_FORCENONE": "1"},
}
# (height, width) of images, and of what they become: by area where both sides shrink, else bilinear.
RESIZED = {
    "area": [
        ((480, 640), (224, 224)),
        ((333, 501), (224, 224)),
        ((224, 448), (32, 32)),
        ((37, 53), (32, 32)),
    ],
    "linear": [((32, 32), (224, 224)), ((200, 500), (224, 224)), ((17, 29), (32, 32)), ((100, 30), (96, 96))],
}
FILES = {
    "photo.jpg": {"quality": 90},
    "full_color.jpg": {"quality": 75, "subsampling": 0},
    "progressive.jpg": {"quality": 60, "progressive": True},
    "photo.png": {},
    "photo.webp": {"quality": 80},
    "photo.gif": {},
    "photo.tiff": {"compression": "tiff_lzw"},
}


def draw(shape, seed=0):
    """Return a drawn photograph: smooth light, edges, noise; uint8 of shape (*shape, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape) / max(shape)
    light = np.stack([np.sin(7 * rows * (c + 1)) + np.cos(11 * columns * (c + 2)) for c in range(3)], axis=-1)
    light[rows + columns > 0.9] -= 0.7
    return np.clip(127 + 50 * light + rng.normal(scale=8, size=light.shape), 0, 255).astype(np.uint8)


def write_files(folder):
    """Write one photograph in each format, once for all versions."""
    image = Image.fromarray(draw((241, 333)))
    for name, options in FILES.items():
        image.save(folder / name, **options)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    image.convert("L").save(folder / "gray.jpg", quality=90)


def compute(folder):
    """Return the pixels of each kind as this process's versions give them."""
    pixels = {}
    for kind, cases in RESIZED.items():
        resized = [resize_image(draw(given, seed), size).ravel() for seed, (given, size) in enumerate(cases)]
        pixels[kind] = np.concatenate(resized)
    kinds = {"JPEG": "*.jpg", "PNG": "*.png", "WebP": "*.webp", "GIF": "*.gif", "TIFF": "*.tiff"}
    for kind, pattern in kinds.items():
        pixels[kind] = np.concatenate([read_image(path).ravel() for path in sorted(folder.glob(pattern))])
    return pixels


def compute_elsewhere(folder, out, requirement=None, environment=()):
    """Let a process of its own compute the pixels, and return them with the versions that it imported."""
    environment = os.environ | dict(environment)
    if requirement:
        packages = folder.parent / requirement
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*install, "--target", str(packages), requirement], check=True)
        paths = [str(packages), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    command = [sys.executable, __file__, "--files", str(folder), "--out", str(out)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    with np.load(out) as pixels:
        return done.stdout.strip(), dict(pixels)


def describe(array, reference):
    """Return the first letters of an array's digest, and how much it differs from the reference."""
    digest = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:8]
    if np.array_equal(array, reference):
        return digest
    difference = np.abs(array.astype(np.float64) - reference)
    return f"{digest} ({difference.max():.2g} at most, in {(difference > 0).sum()} of {array.size} values)"


def main(argv=None):
    """Print the digests of each version, and return 1 if any differs from the installed one's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--versions", nargs="*", default=VERSIONS, help="requirements, as pip takes them")
    parser.add_argument("--files", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.files:
        np.savez(arguments.out, **compute(arguments.files))
        print(f"opencv {cv2.__version__}, pillow {PIL.__version__}")
        return 0
    runs = [("installed", None, {})]
    runs += [(requirement, requirement, {}) for requirement in arguments.versions]
    runs += [(name, None, environment) for name, environment in PLAIN.items()]
    reference, differs = None, False
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "files")
        files.mkdir()
        write_files(files)
        for name, requirement, environment in runs:
            imported, pixels = compute_elsewhere(files, Path(folder, "out.npz"), requirement, environment)
            reference = reference or pixels
            differs |= any(not np.array_equal(pixels[kind], reference[kind]) for kind in pixels)
            print(f"{name} [{imported}]", flush=True)
            for kind, array in pixels.items():
                print(f"    {kind:7}{describe(array, reference[kind])}", flush=True)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
