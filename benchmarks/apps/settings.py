"""Django settings of the measured applications, for ours and for upstream."""

SECRET_KEY = "benchmarks only"
USE_TZ = True
ROOT_URLCONF = "benchmarks.apps.urls"
# Never used by the applications. A real project has one, and looking after it is part of the cost.
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["channels"]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        # A worker stands still while it is another one's turn; nothing must expire meanwhile.
        "CONFIG": {"expiry": 3600},
    },
}
# One client asks as fast as it can for seconds: its rate is counted, and never too high.
CHANNELS = {"LIMITS": {"messages_per_second": 10**9, "bytes_per_second": 10**12}}
