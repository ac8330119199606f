"""``broker key``: a new caller key, and the lines that let the broker know it."""

import json

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
    if EVERY in values and len(set(values)) > 1:
        raise click.BadParameter(f"'{EVERY}' stands for all and cannot be given beside a name")
    return tuple(dict.fromkeys(values))


@click.command(epilog="Exit codes: 0 a key was made; 2 wrong command line.")
@click.argument("name", callback=_name)
@click.option(
    "--organization",
    "organizations",
    multiple=True,
    default=(EVERY,),
    show_default="all",
    metavar="ORGANIZATION",
    callback=_organizations,
    help="An organization whose token the caller may have; may be repeated.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write one JSON document to standard output, the key in it: name, key, key_sha256, "
    "organizations, toml.",
)
def key(name: str, organizations: tuple[str, ...], *, as_json: bool) -> None:
    """Make a new key for the caller NAME, and the TOML for BROKER_CALLERS_FILE.

    The key is shown this once, on standard error, and kept nowhere. The TOML goes to standard
    output and holds its SHA-256 only, so this adds it: broker key billing >> callers.toml

    To replace a key without a gap, give key_sha256 in the file a list of both until the caller
    uses the new one.
    """
    secret, digest = new_key()
    toml = _toml(name, digest, organizations)
    if as_json:
        made = {"name": name, "key": secret, "key_sha256": digest}
        click.echo(json.dumps({**made, "organizations": organizations, "toml": toml}, indent=2))
        return
    click.echo(f"# The key of {name}; give it to the caller, it is not shown again:", err=True)
    click.echo(secret, err=True)
    click.echo("# For BROKER_CALLERS_FILE:", err=True)
    click.echo(toml, nl=False)


def _toml(name: str, digest: str, organizations: tuple[str, ...]) -> str:
    quoted = f'"{name}"' if "." in name else name
    listed = ", ".join(f'"{organization}"' for organization in organizations)
    return f'[callers.{quoted}]\nkey_sha256 = "{digest}"\norganizations = [{listed}]\n'
