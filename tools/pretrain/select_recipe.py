"""Choose layers, pooling, mirror, image size and head by cross-validation, with fishsk's own parts.

The judges are the fish *training* images. Prints a markdown table. The 500 fish test images are read only
with ``--test``, once the choice is made.
"""

import argparse
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fishsk import KerasHeadClassifier, VGG16FeatureTransformer
from fishsk.datasets import fetch_cifar100_fish
from fishsk.features._backbone import LAYERS

# "p3" is block3_pool, "c3" the last convolution of block 3.
SHORT_NAMES = {("p" if name.endswith("pool") else "c") + name[len("block")]: name for name in LAYERS}
STAGES = ["p5", "p4+p5", "p3+p4", "p3+p4+p5", "p3+p4+c5+p5", "p2+p3+p4+p5"]
HEADS = {
    **{f"logistic C={c}": LogisticRegression(C=c, max_iter=500) for c in (0.0003, 0.001, 0.003, 0.01)},
    **{f"SVM C={c}": SVC(C=c) for c in (1, 3, 10)},
    "Keras": KerasHeadClassifier(random_state=0),
    "Keras l2=1e-4": KerasHeadClassifier(l2=1e-4, random_state=0),
    "Keras l2=1e-3": KerasHeadClassifier(l2=1e-3, random_state=0),
    "Keras l2=3e-3": KerasHeadClassifier(l2=3e-3, random_state=0),
    "Keras l2=1e-3 dropout=0.7": KerasHeadClassifier(l2=1e-3, dropout=0.7, random_state=0),
    "Keras l2=1e-3 lr=3e-4": KerasHeadClassifier(l2=1e-3, learning_rate=3e-4, random_state=0),
    "Keras l2=1e-3 1024 units": KerasHeadClassifier(l2=1e-3, hidden_units=1024, random_state=0),
}


def make_features(weights, stage, **params):
    """Return a transformer of the layers of ``"p3+c5"``, of one weights file or of several side by side."""
    layers = [SHORT_NAMES[short] for short in stage.split("+")]
    parts = [VGG16FeatureTransformer(weights=path, layers=layers, **params) for path in weights]
    return make_union(*parts) if len(parts) > 1 else parts[0]


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="+", help='weights files or "cifar95"; several are put side by side')
    parser.add_argument("--data", help="folder of CIFAR-100 (default: FISHSK_DATA)")
    parser.add_argument(
        "--stages", nargs="+", default=STAGES, help="such as p3+c5: block3_pool, block5_conv3"
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[32])
    parser.add_argument("--poolings", nargs="+", default=["none"], choices=["avg", "max", "none"])
    parser.add_argument("--mirror", nargs="+", type=int, default=[1])
    parser.add_argument("--heads", nargs="+", default=["SVM C=3", "Keras l2=1e-3"], choices=list(HEADS))
    parser.add_argument("--repeats", type=int, default=1, help="repeats of the five folds")
    parser.add_argument(
        "--test", action="store_true", help="also the test images: only for the chosen recipe"
    )
    args = parser.parse_args()
    X, y = fetch_cifar100_fish(subset="train", data_home=args.data, return_X_y=True)
    if args.test:
        X_test, y_test = fetch_cifar100_fish(subset="test", data_home=args.data, return_X_y=True)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=args.repeats, random_state=0)
    files = ", ".join(Path(path).name for path in args.weights)
    print(f"Weights: {files}; {len(y)} training images, {args.repeats} x 5 stratified folds.\n")
    columns = ["layers", "pooling", "size", "mirror", "head", "columns", "CV", "std of folds"]
    columns += ["test"] * args.test
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
    for size, mirror, stage, pooling in product(args.sizes, args.mirror, args.stages, args.poolings):
        with TemporaryDirectory() as folder:
            features = make_features(
                args.weights,
                stage,
                image_size=size,
                mirror=bool(mirror),
                pooling=None if pooling == "none" else pooling,
                cache=folder,
            )
            rows = features.fit_transform(X)
            for name in args.heads:
                model = make_pipeline(StandardScaler(), HEADS[name])
                scores = cross_val_score(model, rows, y, cv=folds)
                cells = [stage, pooling, size, "yes" if mirror else "no", name, rows.shape[1]]
                cells += [f"{scores.mean():.4f}", f"{scores.std():.3f}"]
                if args.test:
                    cells.append(f"{model.fit(rows, y).score(features.transform(X_test), y_test):.4f}")
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
