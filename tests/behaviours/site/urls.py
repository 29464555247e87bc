"""One Django view; every other path is a 404 (without a route Django welcomes everybody)."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a view")


urlpatterns = [path("view/", view)]
