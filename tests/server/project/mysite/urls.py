"""Pages of the project that the server tests start."""

import time

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{type(request).__name__} at {request.path}")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


def blocked(request: HttpRequest) -> HttpResponse:
    print("view entered", flush=True)
    time.sleep(60)
    return HttpResponse("late")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts():
        import asyncio

        try:
            yield b"first"
            await asyncio.sleep(60)
        finally:
            print("stream left", flush=True)

    return StreamingHttpResponse(parts())


urlpatterns = [
    path("", index),
    path("broken/", broken),
    path("blocked/", blocked),
    path("stream/", stream),
]
