"""One page, for the floor of the demo's start-up: Django's own server and nothing else."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ready")


urlpatterns = [path("", page)]
