"""The channel layer over Redis and Valkey: the only place that imports their driver."""

try:
    import hiredis  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import redis  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ImportError as _missing:
    raise ImportError(
        f"The Redis channel layer needs the package {_missing.name!r}. Install it with: "
        "pip install 'raceway[redis]'",
        name=_missing.name,
    ) from _missing

from channels.layers.redis.layer import RedisChannelLayer

__all__ = ["RedisChannelLayer"]
