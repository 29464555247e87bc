import inspect

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from channels.layers import get_channel_layer
from kinds import consumers

MAX_ANNOUNCEMENT = 200


@require_safe
def kinds(request: HttpRequest) -> HttpResponse:
    sources = {
        name: inspect.getsource(consumer)
        for name, consumer in vars(consumers).items()
        if inspect.isclass(consumer) and consumer.__module__ == consumers.__name__
    }
    context = {"sources": sources, "max_announcement": MAX_ANNOUNCEMENT}
    return render(request, "kinds/kinds.html", context)


@require_POST
def announce(request: HttpRequest) -> HttpResponse:
    """Tell everybody who waits at the long poll: an ordinary view that sends to a group."""
    text = request.POST.get("text", "").strip()
    if not text or len(text) > MAX_ANNOUNCEMENT:
        return HttpResponse(f"Send 1 to {MAX_ANNOUNCEMENT} characters as “text”.", status=400)
    async_to_sync(get_channel_layer().group_send)(
        consumers.ANNOUNCEMENTS, {"type": "announcement", "text": text}
    )
    return HttpResponse(status=204)
