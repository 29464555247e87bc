from django.urls import path

from kinds import views

urlpatterns = [
    path("", views.kinds, name="kinds"),
    path("announce/", views.announce, name="announce"),
]
