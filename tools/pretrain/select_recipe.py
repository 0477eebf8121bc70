"""Choose layers, pooling, views, image size and head by cross-validation, with fishsk's own parts.

The judges are the fish *training* images. Prints a markdown table. The 500 fish test images are read only
with ``--test``, once the choice is made.
"""

import argparse
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fishsk import KerasHeadClassifier, VGG16FeatureTransformer, make_fish_pipeline
from fishsk.datasets import fetch_cifar100_fish
from fishsk.features._network import VIEWS
from fishsk.features._vgg16_network import LAYERS

# "p3" is block3_pool, "c3" the last convolution of block 3.
SHORT_NAMES = {("p" if name.endswith("pool") else "c") + name[len("block")]: name for name in LAYERS}
STAGES = ["p5", "p4+p5", "p3+p4", "p3+p4+p5", "p3+p4+c5+p5", "p2+p3+p4+p5"]
RECIPE = make_fish_pipeline(weights="cifar95")["head"]
HEADS = {
    "recipe": RECIPE,
    "recipe, gelu": clone(RECIPE).set_params(activation="gelu"),
    "recipe, 256": clone(RECIPE).set_params(hidden_units=256),
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
    parser.add_argument("--views", nargs="+", default=["mirror"], choices=list(VIEWS))
    parser.add_argument("--heads", nargs="+", default=["SVM C=3", "recipe"], choices=list(HEADS))
    parser.add_argument("--repeats", type=int, default=3, help="repeats of the five folds, each with a seed")
    parser.add_argument(
        "--test", action="store_true", help="also the test images: only for the chosen recipe"
    )
    args = parser.parse_args()
    X, y = fetch_cifar100_fish(subset="train", data_home=args.data, return_X_y=True)
    if args.test:
        X_test, y_test = fetch_cifar100_fish(subset="test", data_home=args.data, return_X_y=True)
    files = ", ".join(Path(path).name for path in args.weights)
    print(f"Weights: {files}; {len(y)} training images, {args.repeats} x 5 stratified folds.\n")
    columns = ["layers", "pooling", "size", "views", "head", "columns", "CV"]
    columns += ["of each repeat", "log loss"]
    columns += ["test"] * args.test
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
    choices = product(args.sizes, args.views, args.stages, args.poolings)
    for size, views, stage, pooling in choices:
        with TemporaryDirectory() as folder:
            features = [
                VGG16FeatureTransformer(
                    weights=path,
                    image_size=size,
                    layers=[SHORT_NAMES[short] for short in stage.split("+")],
                    pooling=None if pooling == "none" else pooling,
                    views=views,
                    cache=folder,
                )
                for path in args.weights
            ]
            for name in args.heads:
                rows, head = arrange(features, X), HEADS[name]
                scores, losses = cross_validate(make_pipeline(StandardScaler(), head), rows, y, args.repeats)
                cells = [stage, pooling, size, views, name, rows.shape[1], f"{scores.mean():.4f}"]
                cells += [" ".join(f"{score:.4f}" for score in scores), f"{losses.mean():.4f}"]
                if args.test:
                    model = make_pipeline(StandardScaler(), head).fit(rows, y)
                    cells.append(f"{model.score(arrange(features, X_test), y_test):.4f}")
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def arrange(features, X):
    """Return rows of the features of all weights side by side."""
    return np.hstack([each.fit_transform(X) for each in features])


def cross_validate(model, rows, y, n_repeats):
    """Return accuracy and log loss of each repeat; NaN for a head without probabilities."""
    scores, losses = np.empty(n_repeats), np.full(n_repeats, np.nan)
    for seed in range(n_repeats):
        found = []
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(rows, y):
            fitted = clone(model)
            if "random_state" in fitted[-1].get_params():
                fitted[-1].set_params(random_state=seed)
            fitted.fit(rows[train], y[train])
            found.append([fitted.score(rows[test], y[test]), np.nan])
            if hasattr(fitted, "predict_proba"):
                found[-1][1] = log_loss(y[test], fitted.predict_proba(rows[test]), labels=fitted.classes_)
        scores[seed], losses[seed] = np.mean(found, axis=0)
    return scores, losses


if __name__ == "__main__":
    main()
