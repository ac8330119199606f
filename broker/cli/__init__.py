"""The ``broker`` command."""

import click

from broker import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Serve the current Canvas access token to internal services."""
