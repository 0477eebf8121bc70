"""Images to features: reading and resizing images, frozen networks and their weights, the transformers.

Nothing here learns or knows labels; rows on disk are the work of ``store``.
"""

from fishsk.features._boxes import join_box, split_box
from fishsk.features._decoding import IMAGE_SUFFIXES, read_orientation, read_sides
from fishsk.features._images import Images, check_images
from fishsk.features._int8 import crop_photographs
from fishsk.features._keras import KerasFeatureTransformer
from fishsk.features._onnx import OnnxFeatureTransformer
from fishsk.features._parts import (
    FrozenUnion,
    add_to_keras_model,
    describe_parts,
    find_frozen_parts,
    join_parts,
)
from fishsk.features._recipes import BACKBONES, SIZE_FOR_SMALL, SMALL_SIDE, Recipe, find_recipe
from fishsk.features._resizing import resize_image
from fishsk.features._sequence import read_image
from fishsk.features._transformer import FrozenFeatures
from fishsk.features._vgg16 import VGG16FeatureTransformer
from fishsk.features._vgg16_network import resolve_weights
