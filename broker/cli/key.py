"""``broker key``: a new caller key, and the lines that let the broker know it."""

import click

from broker.callers import CALLER_NAME, CALLER_NAME_RULE, new_key
from broker.credentials import ORGANIZATION, ORGANIZATION_RULE

EVERY = "*"


def _name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    del context, parameter
    if not CALLER_NAME.fullmatch(value):
        raise click.BadParameter(f"a caller's name is {CALLER_NAME_RULE}")
    return value


def _organizations(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    del context, parameter
    for value in values:
        if value != EVERY and not ORGANIZATION.fullmatch(value):
            raise click.BadParameter(
                f"an organization is {ORGANIZATION_RULE}, or '{EVERY}' for all"
            )
    return values


@click.command()
@click.argument("name", callback=_name)
@click.option(
    "--organization",
    "organizations",
    multiple=True,
    default=(EVERY,),
    show_default="all",
    callback=_organizations,
    help="An organization whose token the caller may have; may be repeated.",
)
def key(name: str, organizations: tuple[str, ...]) -> None:
    """Make a new key for the caller NAME, and the TOML for BROKER_CALLERS_FILE.

    The key is shown this once and kept nowhere; the file holds its SHA-256 only. To replace a key
    without a gap, give key_sha256 a list of both until the caller uses the new one.
    """
    secret, digest = new_key()
    listed = ", ".join(f'"{organization}"' for organization in organizations)
    click.echo(f"# The key of {name}; give it to the caller, it is not shown again:", err=True)
    click.echo(secret, err=True)
    click.echo("# For BROKER_CALLERS_FILE:", err=True)
    click.echo(f'[callers.{_toml_key(name)}]\nkey_sha256 = "{digest}"\norganizations = [{listed}]')


def _toml_key(name: str) -> str:
    return f'"{name}"' if "." in name else name
