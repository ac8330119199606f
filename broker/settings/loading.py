"""From an environment to settings, and what of them may be shown."""

from collections.abc import Mapping

from broker.errors import SettingsError
from broker.settings.checks import contradictions
from broker.settings.draft import read_draft
from broker.settings.environment import read_variables
from broker.settings.schema import LIMITS, OWN
from broker.settings.values import Settings


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings of ``environ``.

    Raises one :class:`~broker.errors.SettingsError` that names every problem: of the variables, of
    the files they name, and of what they say together. It never holds a secret.
    """
    variables = read_variables(environ)
    draft, bad_texts = read_draft(variables)
    problems = [*variables.problems, *bad_texts, *contradictions(draft)]
    if problems:
        raise SettingsError(problems)
    return draft.settings()


def redacted(settings: Settings) -> dict[str, object]:
    """Return every effective setting by its name, with nothing secret, for one log line."""
    shown = {
        setting.data_key: setting.show(getattr(holder, field))
        for holder, declared in ((settings, OWN), (settings.limits, LIMITS))
        for field, setting in declared.items()
    }
    return {str(name): value for name, value in shown.items()}
