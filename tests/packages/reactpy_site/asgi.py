"""The site's application, put together as reactpy-django says."""

import django
from django.core.asgi import get_asgi_application

django.setup()

from reactpy_django import REACTPY_WEBSOCKET_ROUTE  # noqa: E402

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AuthMiddlewareStack(URLRouter([REACTPY_WEBSOCKET_ROUTE])),
    }
)
