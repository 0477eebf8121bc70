"""Fish images: real ones to download, drawn ones without limit, and your own folders."""

from fishsk.datasets._cifar100 import fetch_cifar100_fish
from fishsk.datasets._folder import load_image_folder
from fishsk.datasets._synthetic import make_fish_images

__all__ = ["fetch_cifar100_fish", "load_image_folder", "make_fish_images"]
