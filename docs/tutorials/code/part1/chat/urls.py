from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("rooms/<slug:room>/", views.room, name="room"),
]
