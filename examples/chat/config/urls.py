from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from rooms.views import SignUpView

urlpatterns = [
    path("", include("rooms.urls")),
    path("kinds/", include("kinds.urls")),
    path("sign-in/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-up/", SignUpView.as_view(), name="signup"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
]
