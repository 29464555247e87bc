from typing import Any

from django.contrib.auth.forms import AuthenticationForm, UserCreationForm


class SignInForm(AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, label_suffix="")


class SignUpForm(UserCreationForm):
    """Django's form, with the rules in fewer words; each broken rule still has its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, label_suffix="")
        self.fields["username"].help_text = "Letters, digits and @ . + - _"
        self.fields["password1"].help_text = "At least 8 characters, and not an obvious one."
        self.fields["password2"].label = "Password again"
        self.fields["password2"].help_text = ""
