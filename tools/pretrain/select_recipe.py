"""Choose layers, pooling, mirror, image size, scaling and head by cross-validation.

The judges are the fish *training* images. Prints a markdown table. The 500 fish test images are read only
with ``--test``, once the choice is made.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from pretrain import CONVS, read_cifar100
from safetensors import safe_open
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

LAYERS = {
    f"{kind}{block}": f"block{block}_{layer}"
    for block, n_convs in enumerate(CONVS, 1)
    for kind, layer in (("p", "pool"), ("c", f"conv{n_convs}"))
}
STAGES = ["p5", "p4+c5", "p4+c5+p5", "p3+p4+c5", "p3+p4+c5+p5", "p2+p3+p4+c5+p5"]


def layers_of(stage):
    """Return Keras's names of the layers of ``"p3+c5"``."""
    return [LAYERS[short] for short in stage.split("+")]


def read_fish(data, split):
    """Return the fish of one split as (images of shape (n, 32, 32, 3), labels)."""
    images, fine, fish = read_cifar100(data, split)
    return np.ascontiguousarray(images[fish].transpose(0, 2, 3, 1)), fine[fish]


def load_backbone(path):
    """Return the tensors (torch, float32) and the metadata of a weights file."""
    with safe_open(path, "np") as file:
        metadata = file.metadata()
        tensors = {name: torch.from_numpy(file.get_tensor(name).astype(np.float32)) for name in file.keys()}  # noqa: SIM118
    for name, tensor in tensors.items():
        if tensor.ndim == 4:
            tensors[name] = tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return tensors, metadata


@torch.no_grad()
def pooled_maps(images, tensors, metadata, size, mirror, names):
    """Return {(layer, pooling): float32 features} of uint8 images; "none" flattens maps of up to 12 x 12."""
    mean, std = (torch.tensor(json.loads(metadata[key])).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    rows = {}
    for start in range(0, len(images), 250):
        batch = images[start : start + 250]
        if size != batch.shape[1]:
            batch = np.stack(
                [cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR) for image in batch]
            )
        x = (torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()).float() - mean) / std
        x = torch.cat([x, x.flip(3)]) if mirror else x
        x = x.contiguous(memory_format=torch.channels_last)
        for block, n_convs in enumerate(CONVS, 1):
            layers = [f"block{block}_conv{i}" for i in range(1, n_convs + 1)] + [f"block{block}_pool"]
            for layer in layers:
                if layer.endswith("pool"):
                    x = F.max_pool2d(x, 2)
                else:
                    x = F.relu(F.conv2d(x, tensors[f"{layer}/kernel"], tensors[f"{layer}/bias"], padding=1))
                if layer in names:
                    values = {"avg": x.mean((2, 3)), "max": x.amax((2, 3))}
                    if x.shape[2] <= 12:
                        values["none"] = x.permute(0, 2, 3, 1).flatten(1)
                    for pooling, value in values.items():
                        if mirror:
                            value = value.reshape(2, -1, value.shape[1]).mean(0)
                        rows.setdefault((layer, pooling), []).append(value.numpy())
    return {key: np.concatenate(value) for key, value in rows.items()}


class DenseHead(ClassifierMixin, BaseEstimator):
    """Dense(hidden_units, relu), Dropout, softmax, as KerasHeadClassifier has it, in torch."""

    def __init__(
        self, hidden_units=512, dropout=0.5, learning_rate=1e-3, epochs=20, batch_size=32, l2=0.0, seed=0
    ):
        self.hidden_units = hidden_units
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.seed = seed

    def fit(self, X, y):
        """Train with Adam, the learning rate falling to zero."""
        torch.manual_seed(self.seed)
        self.classes_, target = np.unique(y, return_inverse=True)
        X, target = torch.from_numpy(np.asarray(X, np.float32)), torch.from_numpy(target)
        layers = [torch.nn.Linear(X.shape[1], self.hidden_units or len(self.classes_))]
        if self.hidden_units:
            layers += [torch.nn.ReLU(), torch.nn.Dropout(self.dropout)]
            layers += [torch.nn.Linear(self.hidden_units, len(self.classes_))]
        self.model_ = torch.nn.Sequential(*layers)
        for layer in self.model_:
            if isinstance(layer, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(layer.weight)
                torch.nn.init.zeros_(layer.bias)
        kernels = [p for p in self.model_.parameters() if p.ndim == 2]
        optimizer = torch.optim.Adam(self.model_.parameters(), lr=self.learning_rate, eps=1e-7)
        n_steps, step = self.epochs * -(-len(X) // self.batch_size), 0
        for _ in range(self.epochs):
            for rows in torch.randperm(len(X)).split(self.batch_size):
                optimizer.param_groups[0]["lr"] = self.learning_rate * (1 - step / n_steps)
                loss = F.cross_entropy(self.model_(X[rows]), target[rows])
                loss = loss + self.l2 * sum((p**2).sum() for p in kernels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
        self.model_.eval()
        return self

    def predict(self, X):
        """Return the likeliest classes."""
        with torch.no_grad():
            return self.classes_[self.model_(torch.from_numpy(np.asarray(X, np.float32))).argmax(1).numpy()]


HEADS = {
    **{
        f"logistic C={c}": LogisticRegression(C=c, max_iter=300)
        for c in (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
    },
    **{f"SVM C={c}": SVC(C=c, gamma="scale") for c in (1, 3, 10)},
    "dense 512": DenseHead(),
    "dense 512 l2=1e-3": DenseHead(l2=1e-3),
}


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="+", help="weights files; several are stacked side by side")
    parser.add_argument("--data", required=True, help="folder of CIFAR-100's binary files")
    parser.add_argument(
        "--stages", nargs="+", default=STAGES, help="such as p3+c5: block3_pool, block5_conv3"
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 40, 48])
    parser.add_argument("--poolings", nargs="+", default=["avg", "max"], choices=["avg", "max", "none"])
    parser.add_argument("--mirror", nargs="+", type=int, default=[1])
    parser.add_argument("--scale", nargs="+", type=int, default=[1])
    parser.add_argument(
        "--heads", nargs="+", default=["logistic C=0.003", "logistic C=0.01"], choices=list(HEADS)
    )
    parser.add_argument("--repeats", type=int, default=1, help="repeats of the five folds")
    parser.add_argument(
        "--test", action="store_true", help="also the test images: only for the recipe already chosen"
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    images, y = read_fish(args.data, "train")
    if args.test:
        test_images, test_y = read_fish(args.data, "test")
    backbones = [load_backbone(path) for path in args.weights]
    names = {layer for stage in args.stages for layer in layers_of(stage)}
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=args.repeats, random_state=0)
    names_of_files = ", ".join(Path(path).name for path in args.weights)
    print(f"Weights: {names_of_files}; {len(y)} training images, {args.repeats} x 5 stratified folds.\n")
    columns = ["layers", "pooling", "size", "mirror", "scaled", "head", "columns", "CV", "std of folds"]
    columns += ["test"] * args.test
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
    for size in args.sizes:
        for mirror in args.mirror:
            maps = [pooled_maps(images, *backbone, size, mirror, names) for backbone in backbones]
            if args.test:
                test_maps = [
                    pooled_maps(test_images, *backbone, size, mirror, names) for backbone in backbones
                ]
            for stage in args.stages:
                for pooling in args.poolings:
                    if any((layer, pooling) not in maps[0] for layer in layers_of(stage)):
                        continue

                    def stack(maps, stage=stage, pooling=pooling):
                        return np.hstack([m[layer, pooling] for m in maps for layer in layers_of(stage)])

                    X = stack(maps)
                    for scale in args.scale:
                        for head in args.heads:
                            model = make_pipeline(StandardScaler() if scale else "passthrough", HEADS[head])
                            scores = cross_val_score(model, X, y, cv=folds)
                            yes_no = ["yes" if flag else "no" for flag in (mirror, scale)]
                            cv = [f"{scores.mean():.4f}", f"{scores.std():.3f}"]
                            row = [stage, pooling, size, *yes_no, head, X.shape[1], *cv]
                            if args.test:
                                row.append(f"{model.fit(X, y).score(stack(test_maps), test_y):.4f}")
                            print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
