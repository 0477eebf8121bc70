"""Features on disk: rows under the digests of their images, in shards that many processes share.

It knows neither images nor networks: keys and rows are bytes and numbers.
"""

from fishsk.store._folders import cache_info, clear_cache, default_folder, keep, verify_cache
from fishsk.store._store import FeatureStore, open_store
