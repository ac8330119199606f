"""Settings half way: each is read, or spoiled by a problem of its own; none is compared yet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from broker.limits import Limits
from broker.settings.environment import Variables
from broker.settings.schema import LIMITS, OWN, PREFIX, SCHEMA
from broker.settings.values import Settings

_NAME = re.compile(r"BROKER_[A-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class Draft:
    """The values by field name; ``spoiled`` holds the names of settings that have none.

    ``files`` are those of secrets, by the setting's name.
    """

    values: Mapping[str, Any]
    spoiled: frozenset[str] = frozenset()
    files: Mapping[str, Path] = field(default_factory=dict, repr=False)

    def __getitem__(self, field: str) -> Any:
        return self.values[field]

    def knows(self, *fields: str) -> bool:
        """Tell whether all these fields have a good value, or are rightly not set."""
        return not any(f"{PREFIX}{field.upper()}" in self.spoiled for field in fields)

    def is_set(self, field: str) -> bool:
        """Tell whether the setting is set, well or badly."""
        return not self.knows(field) or self.values[field] is not None

    def limits(self) -> Limits:
        """Return the limits, with the default in place of a spoiled one."""
        return Limits(**{field: self.values[field] for field in LIMITS if field in self.values})

    def limit_problems(self) -> list[str]:
        """Return the contradictions of the limits, but none that speaks of a spoiled setting."""
        told = [(problem, set(_NAME.findall(problem))) for problem in self.limits().problems()]
        return [problem for problem, names in told if not names & self.spoiled]

    def settings(self) -> Settings:
        """Return the finished settings; nothing may be spoiled."""
        values = {field: self.values[field] for field in OWN}
        return Settings(**values, limits=self.limits(), secret_files=self.files)


def read_draft(variables: Variables) -> tuple[Draft, list[str]]:
    """Load the texts through the schema; return a draft and a sentence for each bad text."""
    values, messages = _load(variables.texts)
    problems = [
        f"{name} {message}"
        for name, found in sorted(messages.items())
        if name not in variables.spoiled
        for message in found
    ]
    return Draft(values, frozenset(messages) | variables.spoiled, variables.files), problems


def _load(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    try:
        return SCHEMA.load(texts), {}
    except ValidationError as error:
        return dict(error.valid_data or {}), error.messages_dict
