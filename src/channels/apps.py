"""The Django application."""

from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    """Gives a project ``runserver``, ``runworker`` and the system checks."""

    name = "channels"

    def ready(self) -> None:
        from channels.checks import register_checks
        from channels.closing import listen_to_logouts

        register_checks()
        listen_to_logouts()
