"""The ``broker`` command."""

import click

from broker import __version__
from broker.cli.check import check
from broker.cli.demo import demo
from broker.cli.emulator import emulator
from broker.cli.key import key
from broker.cli.serve import serve
from broker.cli.status import status
from broker.output.sinks import open_standard_descriptors


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Serve the current Canvas access token to internal services."""
    open_standard_descriptors()


for command in (serve, check, status, key, emulator, demo):
    main.add_command(command)
