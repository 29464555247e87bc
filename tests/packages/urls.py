"""What the packages want to have mounted."""

from django.urls import include, path
from django.urls.resolvers import URLResolver

urlpatterns: list[URLResolver] = [path("reactpy/", include("reactpy_django.http.urls"))]
