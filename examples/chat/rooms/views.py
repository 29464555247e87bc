from typing import Any

from django.contrib.auth import login
from django.contrib.auth.views import RedirectURLMixin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from django.views.generic import CreateView

from rooms.forms import SignUpForm
from rooms.models import MAX_MESSAGE_LENGTH, Room
from rooms.names import BadRoomNameError, clean_room_name

ROOMS_SHOWN = 12


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    return render(request, "rooms/landing.html", {"rooms": recent_rooms()})


@require_safe
def open_room(request: HttpRequest) -> HttpResponse:
    """Take the name from the form and go to its room, or say what is wrong with the name."""
    typed = request.GET.get("name", "")
    try:
        return redirect("room", name=clean_room_name(typed))
    except BadRoomNameError as exc:
        return bad_name(request, typed, exc)


@require_safe
def room(request: HttpRequest, name: str) -> HttpResponse:
    try:
        clean = clean_room_name(name)
    except BadRoomNameError as exc:
        return bad_name(request, name, exc)
    if clean != name:
        return redirect("room", name=clean)
    names = [room.name for room in recent_rooms()]
    if name not in names:
        # A room comes into being with its first message; its page is there before.
        names.insert(0, name)
    context = {
        "room_name": name,
        "room_names": names,
        "max_message_length": MAX_MESSAGE_LENGTH,
    }
    return render(request, "rooms/room.html", context)


def bad_name(request: HttpRequest, typed: str, error: BadRoomNameError) -> HttpResponse:
    context = {"typed": typed, "error": str(error), "rooms": recent_rooms()}
    return render(request, "rooms/landing.html", context, status=400)


def recent_rooms() -> QuerySet[Room]:
    return Room.objects.all()[:ROOMS_SHOWN]


class SignUpView(RedirectURLMixin, CreateView):
    """Make an account and sign in with it."""

    form_class = SignUpForm
    template_name = "registration/signup.html"
    next_page = "landing"

    def form_valid(self, form: ModelForm) -> HttpResponse:
        response = super().form_valid(form)
        login(self.request, self.object)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, next=self.get_redirect_url())
