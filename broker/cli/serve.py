"""``broker serve``: the service under gunicorn."""

import logging
import logging.config
import os
import sys

import click

from broker.errors import SettingsError
from broker.settings import load, load_inputs, redacted
from broker.web.debugging import forbid_debugging
from broker.web.logs import install_hooks, logging_config
from broker.web.server import BrokerServer

_log = logging.getLogger(__name__)


@click.command()
@click.option("--bind", metavar="HOST:PORT", help="Where to listen; instead of BROKER_BIND.")
@click.option("--workers", metavar="N", help="Worker processes; instead of BROKER_WORKERS.")
@click.option("--threads", metavar="N", help="Threads per worker; instead of BROKER_THREADS.")
def serve(bind: str | None, workers: str | None, threads: str | None) -> None:
    """Serve tokens under gunicorn, from BROKER_* settings alone.

    Exits with 1 and one message that names every problem if the settings are not usable.
    """
    given = {"BROKER_BIND": bind, "BROKER_WORKERS": workers, "BROKER_THREADS": threads}
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        settings = load({**os.environ, **chosen})
        if not settings.allow_debugging:
            forbid_debugging()
        server = BrokerServer(settings, load_inputs(settings))
    except SettingsError as error:
        click.echo(f"The settings are not usable:\n{error}", err=True)
        sys.exit(1)
    logging.config.dictConfig(logging_config(settings.log_level, settings.log_format))
    install_hooks()
    _log.info("service.settings", extra={"settings": redacted(settings)})
    server.run()
