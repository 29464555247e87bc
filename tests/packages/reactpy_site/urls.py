"""The site's page, and what reactpy-django wants to have mounted."""

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path

PAGE = '{% load reactpy %}{% component "tests.packages.reactpy_site.components.counter" start=5 %}'


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


urlpatterns = [path("", page), path("reactpy/", include("reactpy_django.http.urls"))]
