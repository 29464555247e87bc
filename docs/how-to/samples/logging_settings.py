"""For settings.py: what goes to the log, and what must not."""

import logging
import re


class WithoutQueries(logging.Filter):
    """Cuts query strings out of what servers say of requests: browsers put tokens there."""

    QUERY = re.compile(r"\?[^\s\"']*")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                self.QUERY.sub("?…", part) if isinstance(part, str) else part
                for part in record.args
            )
        return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_queries": {"()": "mysite.logging_settings.WithoutQueries"}},
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["without_queries"],
        },
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Its lines go through the handler above, and not through the one that uvicorn makes.
    "loggers": {"uvicorn": {"handlers": [], "propagate": True}},
}
