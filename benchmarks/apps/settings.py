"""Django settings of the measured applications, for ours and for upstream."""

import os

SECRET_KEY = "benchmarks only"
USE_TZ = True
ROOT_URLCONF = "benchmarks.apps.urls"
# Never used by the applications. A real project has one, and looking after it is part of the cost.
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["channels"]
LAYERS = {
    "memory": "channels.layers.InMemoryChannelLayer",
    "redis": "channels.layers.redis.RedisChannelLayer",
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
LAYER = os.environ.get("BENCH_LAYER", "memory")
# A worker stands still while it is another one's turn; nothing must expire meanwhile.
CONFIG: dict[str, object] = {"expiry": 3600}
if LAYER != "memory":
    CONFIG["hosts"] = [f"redis://127.0.0.1:{os.environ['BENCH_REDIS_PORT']}/0"]
    # The mailbox of upstream's core layer is one for the whole process.
    CONFIG["capacity"] = 100_000
CHANNEL_LAYERS = {"default": {"BACKEND": LAYERS[LAYER], "CONFIG": CONFIG}}
# One client asks as fast as it can for seconds: its rate is counted, and never too high.
CHANNELS = {"LIMITS": {"messages_per_second": 10**9, "bytes_per_second": 10**12}}
