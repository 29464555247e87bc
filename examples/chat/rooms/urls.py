from django.urls import path

from rooms import views

urlpatterns = [
    path("", views.landing, name="landing"),
    path("rooms/", views.open_room, name="open_room"),
    path("rooms/<str:name>/", views.room, name="room"),
]
