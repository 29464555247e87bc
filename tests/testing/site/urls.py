"""Views that use the database, sync and async."""

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import path


def names(request: HttpRequest) -> HttpResponse:
    return HttpResponse(",".join(User.objects.order_by("id").values_list("username", flat=True)))


async def anames(request: HttpRequest) -> HttpResponse:
    return HttpResponse(",".join([user.username async for user in User.objects.order_by("id")]))


def greeting(request: HttpRequest) -> HttpResponse:
    return HttpResponse(settings.GREETING)


urlpatterns = [path("names/", names), path("anames/", anames), path("greeting/", greeting)]
