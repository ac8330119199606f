"""The ``broker`` command."""

from importlib import import_module

import click

from broker import __version__
from broker.output.sinks import open_standard_descriptors

COMMANDS = ("serve", "check", "status", "key", "emulator", "demo")
"""Each is found in the module of its name, which is imported when it is asked for."""


class Commands(click.Group):
    """Imports no more than the command that runs: a service starts sooner, and is smaller."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name; None where there is none."""
        del ctx
        return command(cmd_name) if cmd_name in COMMANDS else None


def command(name: str) -> click.Command:
    """Return the command of this name, one of :data:`COMMANDS`."""
    found: click.Command = getattr(import_module(f"broker.cli.{name}"), name)
    return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Serve the current Canvas access token to internal services."""
    open_standard_descriptors()
