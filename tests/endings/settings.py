"""The project that the servers serve."""

SECRET_KEY = "tests only"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels"]
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    "failing": {"BACKEND": "tests.endings.layer.FailingLayer"},
}
CHANNELS = {
    "GRACE_SECONDS": 0.2,
    "DRAIN_SECONDS": 0.2,
    "DRAIN_DEADLINE_SECONDS": 6,
}
