"""Images with labels: real fish to download, drawn fish without limit, and folders and tables of your own.

Nothing here knows estimators or networks.
"""

# What is imported as itself is for fishsk's other rooms.
from fishsk.datasets._cifar100 import FISH_NAMES as FISH_NAMES
from fishsk.datasets._cifar100 import fetch_cifar100_fish
from fishsk.datasets._cifar100 import fetch_fish as fetch_fish
from fishsk.datasets._folder import describe_left_out as describe_left_out
from fishsk.datasets._folder import find_errors as find_errors
from fishsk.datasets._folder import find_images as find_images
from fishsk.datasets._folder import load_image_folder
from fishsk.datasets._folder import normalize_name as normalize_name
from fishsk.datasets._folder import tell_faults as tell_faults
from fishsk.datasets._folder import warn_of_left_out as warn_of_left_out
from fishsk.datasets._synthetic import make_fish_images
from fishsk.datasets._table import load_image_table
from fishsk.features import join_box

__all__ = ["fetch_cifar100_fish", "join_box", "load_image_folder", "load_image_table", "make_fish_images"]
