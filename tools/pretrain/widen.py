"""Put two trained networks side by side in a wider one, as a start for `pretrain.py --start`.

The first network keeps all of its channels and paths, so that the wider one answers as it does. Beside it,
the blocks that have room hold the second network's channels, other blocks new ones drawn at random. Kernels
between the two are zero, and training fills them (Chen et al., "Net2Net", 2016, copy channels instead).
"""

import argparse
from pathlib import Path

import torch
from pretrain import CONVS, Network, read_source
from safetensors.numpy import load_file
from torch.nn import functional as F

N_CALIBRATION = 2048  # images that tell what batch normalization must undo


def widen(first, second, widths, images, n_classes=95):
    """Return the network that holds two others.

    Parameters
    ----------
    first, second : dict of str to ndarray
        Folded weights, as `pretrain.py` writes them.
    widths : sequence of int
        Channels of the five blocks, none less than those of `first`.
    images : Tensor of shape (n_images, 3, 32, 32)
        Normalized.
    n_classes : int, default=95
        Of the head, which is drawn anew.

    Returns
    -------
    Network
        With skips; what `first` computes, its batch normalization leaves as it is.
    """
    network = Network(widths, n_classes, skip=True)
    x = images
    inputs = [(0, 3), (0, 3)]  # where the channels of the two networks begin, and how many there are
    for block, n_convs in enumerate(CONVS, 1):
        for name in [f"block{block}_conv{i}" for i in range(1, n_convs + 1)]:
            conv, norm = network.backbone.convs[name], network.backbone.norms[name]
            is_skipped = conv.in_channels == conv.out_channels
            n_first, n_second = (weights[f"{name}/bias"].size for weights in (first, second))
            if n_first + n_second > conv.out_channels:
                n_second = 0
            outputs = [(0, n_first), (n_first, n_second)]
            bias = torch.zeros(n_first + n_second)
            for weights, (begin, n_taken), (start, n_made) in zip(
                (first, second), inputs, outputs, strict=True
            ):
                kernel = torch.from_numpy(weights[f"{name}/kernel"]).permute(3, 2, 0, 1)
                placed = torch.zeros(n_made, *conv.weight.shape[1:])
                placed[:, begin : begin + n_taken] = kernel[:n_made, :n_taken]
                if is_skipped:
                    placed[torch.arange(n_made), start + torch.arange(n_made), 1, 1] -= 1
                conv.weight.data[start : start + n_made] = placed
                bias[start : start + n_made] = torch.from_numpy(weights[f"{name}/bias"])[:n_made]
            with torch.no_grad():
                sums = normalize(norm, conv(x), bias)
                x = F.relu(sums + x if is_skipped else sums)
            inputs = outputs
        x = F.max_pool2d(x, 2)
    return network


def normalize(norm, sums, bias):
    """Let batch normalization add `bias` to the first channels, and scale the others; return its output."""
    kept = slice(0, len(bias))
    norm.running_mean.copy_(sums.mean((0, 2, 3)))
    norm.running_var.copy_(sums.var((0, 2, 3)))
    norm.weight[kept] = (norm.running_var[kept] + norm.eps).sqrt()
    norm.bias[kept] = bias + norm.running_mean[kept]
    sums = norm.eval()(sums)
    norm.train()
    return sums


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", help="weights.safetensors of a run")
    parser.add_argument("second", help="of another")
    parser.add_argument("--widths", nargs=5, type=int, required=True)
    parser.add_argument("--data", required=True, help="folder of CIFAR-100's binary files")
    parser.add_argument("--out", required=True, type=Path, help="checkpoint for pretrain.py --start")
    args = parser.parse_args()
    torch.manual_seed(0)
    images = read_source(args.data, ["fish"])[0]
    mean = images.double().mean((0, 2, 3)).float().reshape(1, 3, 1, 1)
    std = images.permute(1, 0, 2, 3).reshape(3, -1).double().std(1).float().reshape(1, 3, 1, 1)
    chosen = images[torch.randperm(len(images))[:N_CALIBRATION]]
    weights = [load_file(path) for path in (args.first, args.second)]
    network = widen(*weights, args.widths, (chosen.float() - mean) / std)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"average": network.state_dict()}, args.out)


if __name__ == "__main__":
    main()
