"""Images to features: reading images, frozen networks and their weights, the store of features on disk."""

from fishsk.features._images import IMAGE_SUFFIXES, Images, check_images, read_image, resize_image
from fishsk.features._store import cache_info, clear_cache, default_folder, verify_cache
from fishsk.features._vgg16 import VGG16FeatureTransformer
from fishsk.features._weights import load_backbone, resolve_weights

__all__ = [
    "IMAGE_SUFFIXES",
    "Images",
    "VGG16FeatureTransformer",
    "cache_info",
    "check_images",
    "clear_cache",
    "default_folder",
    "load_backbone",
    "read_image",
    "resize_image",
    "resolve_weights",
    "verify_cache",
]
