from django.shortcuts import redirect, render
from django.utils.text import slugify


def index(request):
    if wanted := slugify(request.GET.get("room", ""))[:50]:
        return redirect("room", room=wanted)
    return render(request, "chat/index.html")


def room(request, room):
    return render(request, "chat/room.html", {"room": room})
