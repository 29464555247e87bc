from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from rooms.forms import SignInForm
from rooms.views import SignUpView

sign_in = LoginView.as_view(form_class=SignInForm, redirect_authenticated_user=True)

urlpatterns = [
    path("", include("rooms.urls")),
    path("kinds/", include("kinds.urls")),
    path("sign-in/", sign_in, name="login"),
    path("sign-up/", SignUpView.as_view(), name="signup"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
]
