"""The ``broker`` command."""

import click

from broker import __version__
from broker.output.sinks import open_standard_descriptors

COMMANDS = ("check", "demo", "emulator", "key", "serve", "status")


class Commands(click.Group):
    """Imports no more than the command that runs: a service starts sooner, and is smaller."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name; None where there is none."""
        del ctx
        return command(cmd_name) if cmd_name in COMMANDS else None


def command(name: str) -> click.Command:
    """Return the command of this name, one of :data:`COMMANDS`."""
    if name == "serve":
        from broker.cli.serve import serve as found
    elif name == "check":
        from broker.cli.check import check as found
    elif name == "status":
        from broker.cli.status import status as found
    elif name == "key":
        from broker.cli.key import key as found
    elif name == "emulator":
        from broker.cli.emulator import emulator as found
    else:
        from broker.cli.demo import demo as found
    return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Serve the current Canvas access token to internal services."""
    open_standard_descriptors()
