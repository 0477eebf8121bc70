"""Features on disk: rows under the digests of their images, in shards that many processes share.

It knows neither images nor networks: keys and rows are bytes and numbers.
"""

from fishsk.store._folders import default_folder
from fishsk.store._kept import KeptStore, open_store
from fishsk.store._networks import keep_network, read_network, write_network
from fishsk.store._notes import read_note, write_note
from fishsk.store._store import FeatureStore
from fishsk.store._upkeep import cache_info, clear_cache, verify_cache

__all__ = [
    "FeatureStore",
    "KeptStore",
    "cache_info",
    "clear_cache",
    "default_folder",
    "keep_network",
    "open_store",
    "read_network",
    "read_note",
    "verify_cache",
    "write_network",
    "write_note",
]
