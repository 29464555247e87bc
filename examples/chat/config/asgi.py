"""The ASGI application: Django's views beside the consumers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# First of all, because it loads the apps whose models the consumers import.
django_application = get_asgi_application()

from django.urls import re_path  # noqa: E402

import kinds.routing  # noqa: E402
import rooms.routing  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                *kinds.routing.http_urlpatterns,
                re_path(r"", django_application),
            ]
        ),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter(
                    [
                        *rooms.routing.websocket_urlpatterns,
                        *kinds.routing.websocket_urlpatterns,
                    ]
                )
            )
        ),
    }
)
