"""Near-duplicates: how many altered copies `check` finds among the images, and how much else.

Each of seven changes makes copies of training images: crops of up to a tenth at each side, scaling to 0.5 to
1.5, mirroring, JPEG of quality 60, brightness 0.7 to 1.3, borders of up to a tenth in black, gray or white,
and a few letters. The copies are laid among all images, and pairs are looked for as `find_data_issues` does.
Fish of 32 x 32 pixels, and photographs where there is a folder of them (one folder per class). Test images
are not read.
"""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import load_image_folder
from fishsk.features import check_images
from fishsk.inspection import accuracy_interval
from fishsk.inspection._duplicates import SAME, find_near_pairs
from fishsk.inspection._image_facts import measure_images

PHOTOGRAPHS = Path(__file__).parents[2] / "shared" / "clothing" / "train"
N_COPIES = 50  # of each change
# Pairs of images that are found, and that show, by eye, two things or two photographs. All pairs that are
# found among CIFAR-100's 2,500 training fish and the 3,068 photographs of clothing were looked at, once.
DIFFERENT = {
    "fish": {("1444", "1975"), ("1683", "1985"), ("49", "860"), ("749", "1736")},
    "photographs": set(),
}


def main():
    """Make copies, look for them, and count."""
    bench = Benchmark(__file__, __doc__, repeats=1, add_arguments=add_arguments)
    X, _, source = load_fish(300 if bench.quick else None, subset="train")
    sets = {"fish": (source, [Image.fromarray(image) for image in X], list(map(str, range(len(X)))))}
    if bench.options.photographs.is_dir():
        paths = load_image_folder(bench.options.photographs).images[: 200 if bench.quick else None].tolist()
        names = ["/".join(Path(path).parts[-2:]) for path in paths]
        sets["photographs"] = (f"{len(paths):,} photographs of clothing", paths, names)
    for name, (described, images, names) in sets.items():
        recall, summary, pairs = measure(images, names, DIFFERENT[name], 5 if bench.quick else N_COPIES)
        bench.table(f"{described}: copies that are found, by what was changed", recall)
        bench.table(f"{described}: pairs that are found", [summary])
        if bench.options.pairs is not None:
            draw(pairs, images, bench.options.pairs / f"{name}.png")
    bench.note(
        f"A pair is found at a similarity of {SAME}. Features that propose pairs are those of cifar95. "
        '"Precision" counts a pair as right if both are made from one image, or show one picture by eye.'
    )
    bench.write()


def add_arguments(parser):
    """Add where photographs are, and where pairs are drawn for a look at them."""
    parser.add_argument("--photographs", type=Path, default=PHOTOGRAPHS, help="one folder per class")
    parser.add_argument("--pairs", type=Path, help="a folder: draw the pairs of originals that are found")


def measure(images, names, different, n_copies):
    """Return a row for each change, a row about all pairs, and the pairs of originals that were found."""
    rng = np.random.default_rng(0)
    sources = rng.choice(len(images), (len(CHANGES), n_copies), replace=len(images) < len(CHANGES) * n_copies)
    roots = np.concatenate([np.arange(len(images)), sources.ravel()])
    copies = [
        save(change(load(images[source]), rng), 60 if name == "compressed" else 85)
        for name, change, chosen in zip(CHANGES, CHANGES.values(), sources, strict=True)
        for source in chosen
    ]
    both = check_images([*images, *copies])
    with TemporaryDirectory() as folder:
        features = VGG16FeatureTransformer(weights="cifar95", cache=folder).transform([*images, *copies])
    pairs, similarity = find_near_pairs(features, measure_images(both).small, both.__getitem__)
    found = {tuple(pair) for pair in pairs.tolist()}
    partners = [set() for _ in roots]
    for left, right in found:
        partners[left].add(right)
        partners[right].add(left)
    is_found = np.array(
        [
            any(roots[partner] == roots[copy] for partner in partners[copy])
            for copy in range(len(images), len(roots))
        ]
    ).reshape(sources.shape)
    recall = [describe_share(name, hits) for name, hits in zip(CHANGES, is_found, strict=True)]
    recall.append(describe_share("all", is_found.ravel()))

    def is_right(pair):
        left, right = sorted(roots[list(pair)].tolist())
        return (names[left], names[right]) not in different

    right = np.array([is_right(pair) for pair in found])
    low, high = accuracy_interval(right)
    originals = [
        (similarity[place], *pair) for place, pair in enumerate(pairs.tolist()) if max(pair) < len(images)
    ]
    summary = {
        "pairs": len(found),
        "of originals": len(originals),
        "different by eye": int(np.sum(~right)),
        "precision": float(right.mean()),
        "95 % interval": f"{low:.3f} to {high:.3f}",
    }
    return recall, summary, originals


def describe_share(name, hits):
    """Return a row of the table of what is found."""
    low, high = accuracy_interval(hits)
    return {
        "change": name,
        "copies": len(hits),
        "found": int(hits.sum()),
        "recall": float(hits.mean()),
        "95 % interval": f"{low:.3f} to {high:.3f}",
    }


def load(image):
    """Return a PIL image of what may be a path."""
    return (Image.open(image) if isinstance(image, str) else image).convert("RGB")


def save(image, quality):
    """Return an image as the bytes of a JPEG file."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()


def crop(image, rng):
    """Cut off up to a tenth at each side."""
    width, height = image.size
    left, top, right, bottom = rng.uniform(0, 0.1, 4) * (width, height, width, height)
    return image.crop((round(left), round(top), width - round(right), height - round(bottom)))


def scale(image, rng):
    """Make an image up to half as large again, or half as large."""
    factor = rng.uniform(0.5, 1.5)
    return image.resize(tuple(max(8, round(factor * side)) for side in image.size), Image.Resampling.BICUBIC)


def brighten(image, rng):
    """Make an image brighter or darker."""
    return ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3))


def frame(image, rng):
    """Lay an image on black, gray or white, with up to a tenth of its sides at each side."""
    shade = int(rng.choice([0, 128, 255]))
    border = tuple(max(1, round(rng.uniform(0.02, 0.1) * side)) for side in image.size)
    return ImageOps.expand(image, border, (shade,) * 3)


def write(image, rng):
    """Write some letters on an image."""
    width, height = image.size
    ImageDraw.Draw(image).text(
        (rng.uniform(0, 0.5) * width, rng.uniform(0, 0.9) * height),
        "(c) 2026" if width > 64 else "26",
        fill=(255, 255, 255) if rng.random() < 0.5 else (200, 0, 0),
        font_size=max(5, round(0.07 * height)),
    )
    return image


CHANGES = {
    "cropped": crop,
    "scaled": scale,
    "mirrored": lambda image, rng: ImageOps.mirror(image),
    "compressed": lambda image, rng: image,
    "brightness": brighten,
    "border": frame,
    "text": write,
}


def draw(pairs, images, path):
    """Draw pairs, the least similar first, with their numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = sorted(pairs)
    n_columns, side = 6, 128
    sheet = Image.new("RGB", (n_columns * 2 * side, -(-len(pairs) // n_columns) * (side + 16)), "white")
    for place, (similarity, *pair) in enumerate(pairs):
        top, left = place // n_columns * (side + 16), place % n_columns * 2 * side
        for column, index in enumerate(pair):
            sheet.paste(load(images[index]).resize((side, side)), (left + column * side, top))
        words = f"{similarity:.3f} {pair[0]} {pair[1]}"
        ImageDraw.Draw(sheet).text((left, top + side), words, fill="black")
    sheet.save(path)


if __name__ == "__main__":
    main()
