"""Train the embedded weights: a narrow VGG16 on CIFAR-100 without its fish and what else is left out.

The network has VGG16's 13 convolutions of 3 x 3 in five blocks. Batch normalization helps it to train, and is
folded into the convolutions afterwards, so that what ships is plain VGG16: convolution, bias, relu.
See README.md.
"""

import argparse
import copy
import json
import math
import os
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from folding import fold_convolution
from safetensors.numpy import save
from torch import nn
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
CONVS = (2, 2, 3, 3, 3)
RECORD = 3074


def read_cifar100(folder, split):
    """Read one binary CIFAR-100 file.

    Parameters
    ----------
    folder : path-like
        The folder that holds ``train.bin``, ``test.bin`` and the names of the labels.
    split : {"train", "test"}

    Returns
    -------
    images : ndarray of shape (n, 3, 32, 32), uint8
        RGB.
    fine : ndarray of shape (n,), int64
    coarse : ndarray of shape (n,) of str
        Names of the coarse labels.
    """
    folder = Path(folder)
    coarse_names = np.array((folder / "coarse_label_names.txt").read_text().split())
    records = np.fromfile(folder / f"{split}.bin", dtype=np.uint8).reshape(-1, RECORD)
    images = records[:, 2:].reshape(-1, 3, 32, 32)
    return images, records[:, 1].astype(np.int64), coarse_names[records[:, 0]]


def read_source(folder, leave_out):
    """Return (train images, labels, test images, labels) of the superclasses that are not left out."""
    assert "fish" in leave_out, "The fish are what the weights are judged by, so they must be left out."
    out = []
    left = set()
    for split in ("train", "test"):
        images, fine, coarse = read_cifar100(folder, split)
        is_left = np.isin(coarse, leave_out)
        left |= set(fine[is_left].tolist())
        out.append((images[~is_left], fine[~is_left]))
    classes = np.unique(out[0][1])
    assert len(left) == 5 * len(leave_out), f"Each of {leave_out} must have 5 classes. Got {sorted(left)}."
    assert len(classes) == 100 - len(left), (
        f"There must be {100 - len(left)} other classes. Got {len(classes)}."
    )
    for _, fine in out:
        assert not left & set(fine.tolist()), (
            "A row that is left out is in the training or the validation data."
        )
    return [
        torch.from_numpy(np.ascontiguousarray(part))
        for images, fine in out
        for part in (images, np.searchsorted(classes, fine))
    ]


class Backbone(nn.Module):
    """The 13 convolutions, each with batch normalization; features are block5_pool's, averaged.

    With `skip`, a convolution that keeps the number of channels adds its input to its output. This
    helps training, and folds away: it is itself a convolution whose kernel is 1 in the middle (Zagoruyko and
    Komodakis, "DiracNets", 2017; Ding et al., "RepVGG", 2021).
    """

    def __init__(self, widths, skip=False):
        super().__init__()
        self.skip = skip
        self.convs = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        channels = 3
        for block, (n_convs, width) in enumerate(zip(CONVS, widths, strict=True), 1):
            for i in range(1, n_convs + 1):
                name = f"block{block}_conv{i}"
                self.convs[name] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
                nn.init.kaiming_normal_(self.convs[name].weight, mode="fan_out", nonlinearity="relu")
                self.norms[name] = nn.BatchNorm2d(width)
                channels = width

    def forward(self, x):
        """Return the features of normalized images."""
        for block, n_convs in enumerate(CONVS, 1):
            for i in range(1, n_convs + 1):
                name = f"block{block}_conv{i}"
                y = self.norms[name](self.convs[name](x))
                if self.skip and y.shape[1] == x.shape[1]:
                    y = y.add_(x)
                x = F.relu(y, inplace=True)
            x = F.max_pool2d(x, 2)
        return x.mean((2, 3))


class Network(nn.Module):
    """The backbone, with the heads that only training needs."""

    def __init__(self, widths, n_classes, skip=False):
        super().__init__()
        self.backbone = Backbone(widths, skip)
        self.classes = nn.Linear(widths[-1], n_classes)
        self.turns = nn.Linear(widths[-1], 4)

    def forward(self, x):
        """Return the logits of the classes and of the turns."""
        features = self.backbone(x)
        return self.classes(features), self.turns(features)


def fold(backbone):
    """Fold batch normalization and skips into the convolutions, in float64.

    Returns
    -------
    dict of str to ndarray
        ``block1_conv1/kernel`` of shape (kh, kw, in, out), ``block1_conv1/bias`` and so on, float64.
    """
    weights = {}
    for name, conv in backbone.convs.items():
        norm = backbone.norms[name]
        weights[f"{name}/kernel"], weights[f"{name}/bias"] = fold_convolution(
            conv.weight.detach().permute(2, 3, 1, 0).numpy(),
            norm.weight.detach().numpy(),
            norm.bias.detach().numpy(),
            norm.running_mean.numpy(),
            norm.running_var.numpy(),
            epsilon=norm.eps,
            skip=backbone.skip and conv.in_channels == conv.out_channels,
        )
    return weights


def write_atomically(path, data):
    """Write bytes beside `path`, then move them there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def export(backbone, widths, mean, std, path):
    """Write the folded weights as float16 safetensors."""
    metadata = {
        "format": "fishsk-vgg16-1",
        "image_size": "32",
        "input": "RGB, 0 to 255; subtract mean, divide by std, then pad with zeros",
        "widths": json.dumps(list(widths)),
        "mean": json.dumps([round(float(v), 4) for v in mean]),
        "std": json.dumps([round(float(v), 4) for v in std]),
    }
    tensors = {name: np.ascontiguousarray(value, np.float16) for name, value in fold(backbone).items()}
    assert all(np.isfinite(value).all() for value in tensors.values())
    write_atomically(path, save(tensors, metadata))


def augment(images, config, rng):
    """Mirror, shift, zoom and recolor a batch of normalized images, each in its own way.

    All geometry is one bilinear sampling; images that are not zoomed move by whole pixels, so nothing blurs.
    """
    n, size = len(images), images.shape[-1]

    def uniform(low, high, *shape):
        return torch.rand(n, *shape, generator=rng) * (high - low) + low

    zoomed = uniform(0, 1) < config["scale_prob"]
    scale = torch.where(zoomed, uniform(config["scale_min"], 1.0), torch.ones(n))
    free = (1 - scale) * size / 2
    shift = uniform(-1, 1, 2) * (free + config["shift"] * (~zoomed))[:, None]
    shift = torch.where(zoomed[:, None], shift, shift.round())
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = scale * mirror
    theta[:, 1, 1] = scale
    theta[:, :, 2] = shift * 2 / size
    grid = F.affine_grid(theta, (n, 3, size, size), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    if config["color_prob"]:
        amount = config["color"] * (uniform(0, 1) < config["color_prob"])[:, None, None, None]
        gray = images.mean(1, keepdim=True)
        images = gray + (images - gray) * (1 + amount * uniform(-1, 1, 1, 1, 1))
        mean = images.mean((1, 2, 3), keepdim=True)
        images = (
            mean + (images - mean) * (1 + amount * uniform(-1, 1, 1, 1, 1)) + amount * uniform(-1, 1, 1, 1, 1)
        )
    return images


def losses(network, images, labels, taught, config, rng):
    """Return the loss of one batch and how many images it classified rightly.

    `taught` holds what the teachers say of the images, as probabilities, or is None. The loss is then a
    mixture of the cross-entropies with it, both sides softened by a temperature, and with the labels (Hinton
    et al., "Distilling the Knowledge in a Neural Network", 2015).
    """
    n = len(images)
    turns = torch.zeros(n, dtype=torch.long)
    if config["rotate"]:
        n_turned = round(n * config["rotate"])
        turns[:n_turned] = torch.randint(1, 4, (n_turned,), generator=rng)
        for turn in (1, 2, 3):
            chosen = turns == turn
            images[chosen] = torch.rot90(images[chosen], turn, (2, 3))
    other, share = torch.arange(n), 1.0
    if config["mixup"]:
        gammas = torch._standard_gamma(torch.full((2,), config["mixup"]), generator=rng)
        share = float(gammas[0] / gammas.sum())
        other = torch.randperm(n, generator=rng)
        images = share * images + (1 - share) * images[other]
    logits, turn_logits = network(images.contiguous(memory_format=torch.channels_last))

    def mixed(logits, target, **options):
        loss = F.cross_entropy(logits, target, **options)
        if share < 1:
            loss = share * loss + (1 - share) * F.cross_entropy(logits, target[other], **options)
        return loss

    loss = mixed(logits, labels, label_smoothing=config["label_smoothing"])
    if taught is not None:
        temperature, weight = config["temperature"], config["distillation"]
        loss = (1 - weight) * loss + weight * temperature**2 * mixed(logits / temperature, taught)
    if config["rotate"]:
        loss = loss + config["rotation_weight"] * mixed(turn_logits, turns)
    return loss, (logits.detach().argmax(1) == labels).sum().item()


def make_replicas(network, n):
    """Return `n` networks that share their parameters, each with running statistics of its own."""
    replicas = [network]
    for _ in range(n - 1):
        replica = copy.deepcopy(network)
        for mine, theirs in zip(replica.modules(), network.modules(), strict=True):
            mine._parameters.update(theirs._parameters)
        replicas.append(replica)
    return replicas


@torch.no_grad()
def share_statistics(replicas):
    """Give all replicas the mean of their running statistics."""
    groups = [[b for b in replica.buffers() if b.is_floating_point()] for replica in replicas]
    for group in groups[1:]:
        torch._foreach_add_(groups[0], group)
    torch._foreach_div_(groups[0], len(groups))
    for group in groups[1:]:
        torch._foreach_copy_(group, groups[0])


def learning_rate(progress, config):
    """One cycle: a linear climb, then a cosine down to (nearly) zero."""
    if progress < config["warmup"]:
        return config["peak_lr"] * (0.05 + 0.95 * progress / config["warmup"])
    rest = min(1.0, (progress - config["warmup"]) / (1 - config["warmup"]))
    return config["peak_lr"] * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * rest)))


@torch.no_grad()
def accuracy(network, images, labels, mean, std):
    """Accuracy on uint8 images."""
    network.eval()
    right = 0
    for start in range(0, len(images), 500):
        batch = ((images[start : start + 500].float() - mean) / std).contiguous(
            memory_format=torch.channels_last
        )
        right += (network(batch)[0].argmax(1) == labels[start : start + 500]).sum().item()
    network.train()
    return right / len(images)


@torch.no_grad()
def update_average(average, network, decay):
    """Move the averaged weights a step towards the network's."""
    floats = [
        (a, b)
        for a, b in zip(average.state_dict().values(), network.state_dict().values(), strict=True)
        if a.is_floating_point()
    ]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)


@torch.no_grad()
def ask_teachers(checkpoints, images, n_classes, mean, std, temperature):
    """Return the softened probabilities that the averaged networks of other runs give to images.

    They see each image and its mirror image; their logits are averaged.
    """
    logits = torch.zeros(len(images), n_classes)
    for checkpoint in checkpoints:
        state = torch.load(checkpoint, weights_only=True)
        teacher = Network(state["config"]["widths"], n_classes, state["config"]["skip"])
        teacher.load_state_dict(state["average"])
        teacher.eval()
        for start in tqdm(range(0, len(images), 500), desc="teacher", mininterval=5):
            batch = (images[start : start + 500].float() - mean) / std
            for view in (batch, batch.flip(3)):
                answers = teacher(view.contiguous(memory_format=torch.channels_last))[0]
                logits[start : start + 500] += answers / (2 * len(checkpoints))
    return F.softmax(logits / temperature, dim=1)


def start_from(checkpoint, *networks):
    """Give networks the averaged backbone of another run, whose classes may be others."""
    state = torch.load(checkpoint, weights_only=True)["average"]
    for network in networks:
        network.load_state_dict(
            {
                name: state[name] if name.startswith("backbone.") else value
                for name, value in network.state_dict().items()
            }
        )


def train(config, data, work, weights, time_budget=None, resume=True, start=None, teachers=()):
    """Train, or go on training, and export.

    Parameters
    ----------
    config : dict
    data, work, weights : path-like
        The folder of the CIFAR-100 files, the folder of the checkpoint and the log, and the weights file.
    time_budget : float, default=None
        Minutes. The learning rate then follows the time that has passed, not the number of epochs; such a
        run cannot be repeated bit for bit.
    resume : bool, default=True
        Whether to go on from a checkpoint in `work`.
    start : path-like, default=None
        The checkpoint of another run whose backbone this one starts from.
    teachers : sequence of path-like, default=()
        Checkpoints of runs on the same classes, from whose answers this one learns, too.
    """
    torch.manual_seed(config["seed"])
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = read_source(data, config["leave_out"])
    mean = images.double().mean((0, 2, 3)).float().reshape(1, 3, 1, 1)
    std = images.permute(1, 0, 2, 3).reshape(3, -1).double().std(1).float().reshape(1, 3, 1, 1)

    n_classes = int(labels.max()) + 1
    network = Network(config["widths"], n_classes, config["skip"]).to(memory_format=torch.channels_last)
    average = Network(config["widths"], n_classes, config["skip"]).to(memory_format=torch.channels_last)
    average.load_state_dict(network.state_dict())
    if start:
        start_from(start, network, average)
    taught = None
    if teachers:
        taught = ask_teachers(teachers, images, n_classes, mean, std, config["temperature"])
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": config["weight_decay"]}, {"params": plain}],
        lr=0.01,
        momentum=config["momentum"],
        nesterov=True,
    )
    first, elapsed, history = 0, 0.0, []
    checkpoint = work / "checkpoint.pt"
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        assert state["config"]["widths"] == config["widths"], "The checkpoint is of another network."
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first, elapsed, history = state["epoch"], state["elapsed"], state["history"]

    workers = config["workers"]
    replicas = make_replicas(network, workers)
    parameters = list(network.parameters())
    pool = ThreadPoolExecutor(workers, initializer=lambda: torch.set_num_threads(1))

    def work_on(replica, rows, rng):
        batch = augment((images[rows].float() - mean) / std, config, rng)
        answers = None if taught is None else taught[rows]
        loss, n_right = losses(replica, batch, labels[rows], answers, config, rng)
        return torch.autograd.grad(loss, parameters, allow_unused=True), loss.item(), n_right

    n_batches = len(images) // config["batch_size"]
    begun = time.monotonic() - elapsed
    epoch, progress = first, 0.0
    while progress < 1 and (time_budget is not None or epoch < config["epochs"]):
        rng = torch.Generator().manual_seed(config["seed"] * 100_003 + epoch)
        order = torch.randperm(len(images), generator=rng)
        rngs = [
            torch.Generator().manual_seed(int(seed))
            for seed in torch.randint(2**40, (workers,), generator=rng)
        ]
        total, right, seen = 0.0, 0, 0
        bar = tqdm(range(n_batches), desc=f"epoch {epoch + 1}", mininterval=5)
        for i in bar:
            if time_budget is None:
                progress = (epoch + i / n_batches) / config["epochs"]
            else:
                progress = (time.monotonic() - begun) / (60 * time_budget)
                if progress >= 1:
                    break
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(progress, config)
            rows = order[i * config["batch_size"] : (i + 1) * config["batch_size"]]
            parts = list(pool.map(work_on, replicas, rows.chunk(workers), rngs))
            for p, *gradients in zip(parameters, *(part[0] for part in parts), strict=True):
                p.grad = None if gradients[0] is None else sum(gradients) / workers
            optimizer.step()
            share_statistics(replicas)
            if config["ema_decay"]:
                # early on, average over a tenth of the steps so far
                step = epoch * n_batches + i
                update_average(average, network, min(config["ema_decay"], 1 - 10 / (step + 10)))
            total += sum(part[1] for part in parts) / workers
            right += sum(part[2] for part in parts)
            seen += len(rows)
            bar.set_postfix(loss=f"{total / (i + 1):.3f}", accuracy=f"{right / seen:.3f}", refresh=False)
        epoch += 1
        if time_budget is None:
            progress = epoch / config["epochs"]
        elapsed = time.monotonic() - begun
        best = average if config["ema_decay"] else network
        history.append(
            {
                "epoch": epoch,
                "minutes": round(elapsed / 60, 2),
                "progress": round(progress, 4),
                "loss": round(total / max(1, seen // config["batch_size"]), 4),
                "train_accuracy": round(right / max(1, seen), 4),
                "accuracy": round(accuracy(best, test_images, test_labels, mean, std), 4),
            }
        )
        tqdm.write(json.dumps(history[-1]))
        partial = checkpoint.with_suffix(".partial")
        torch.save(
            {
                "config": config,
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch,
                "elapsed": elapsed,
                "history": history,
            },
            partial,
        )
        os.replace(partial, checkpoint)
        export(best.backbone, config["widths"], mean.flatten(), std.flatten(), weights)
        write_atomically(work / "history.json", json.dumps(history, indent=1).encode())


def parse_value(text):
    """Read ``name=value``, the value written as in TOML."""
    name, _, value = text.partition("=")
    return name, tomllib.loads(f"value = {value}")["value"]


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of CIFAR-100's binary files")
    parser.add_argument("--work", required=True, help="folder for the checkpoint and the log")
    parser.add_argument("--weights", help="weights file to write (default: weights.safetensors in --work)")
    parser.add_argument("--config", default=HERE / "config.toml")
    parser.add_argument("--set", action="append", default=[], type=parse_value, metavar="NAME=VALUE")
    parser.add_argument("--time-budget", type=float, help="minutes; the schedule then follows the clock")
    parser.add_argument("--restart", action="store_true", help="ignore an existing checkpoint")
    parser.add_argument("--start", help="checkpoint of another run whose backbone this one starts from")
    parser.add_argument("--teacher", action="append", default=[], help="checkpoint of a run to learn from")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = tomllib.loads(Path(args.config).read_text())
    for name, value in args.set:
        if name not in config:
            parser.error(f"No such setting: {name!r}. There are {sorted(config)}.")
        config[name] = value
    weights = args.weights or Path(args.work) / "weights.safetensors"
    train(config, args.data, args.work, weights, args.time_budget, not args.restart, args.start, args.teacher)


if __name__ == "__main__":
    main()
