"""A component with state, a query, and a group of the channel layer."""

from typing import Any

from django.contrib.auth.models import User
from reactpy import component, hooks, html
from reactpy_django.hooks import use_channel_layer, use_query, use_user


def user_count() -> int:
    return User.objects.count()


@component
def counter(start: int = 0) -> Any:
    count, set_count = hooks.use_state(start)
    heard, set_heard = hooks.use_state("")
    users = use_query(user_count, postprocessor=None)
    user = use_user()

    async def hear(message: dict[str, Any]) -> None:
        set_heard(message["text"])

    # To leave the group it would enter the running event loop again, which uvloop does not allow.
    use_channel_layer("counter", group_name="counters", receiver=hear, group_discard=False)

    def up(event: Any) -> None:
        set_count(count + 1)

    return html.div(
        html.button({"on_click": up}, "up"),
        f"user={user} users={users.data} count={count} heard={heard}",
    )
