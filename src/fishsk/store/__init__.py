"""Features on disk: rows under the digests of their images, in shards that many processes share."""

from fishsk.store._store import FeatureStore, cache_info, clear_cache, default_folder, verify_cache

__all__ = ["FeatureStore", "cache_info", "clear_cache", "default_folder", "verify_cache"]
