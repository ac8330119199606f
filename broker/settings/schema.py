"""Every setting there is: one closed schema, and the catalogue that documents it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from marshmallow import RAISE, Schema

from broker.limits import Limits
from broker.settings.declared import DECLARED
from broker.settings.fields import Count, Duration, Setting
from broker.settings.meanings import LIMITS as LIMIT_MEANINGS

PREFIX = "BROKER_"
_FIXED_LIMITS = frozenset({"dead", "request", "short_life"})


def _limit(limit: "dataclasses.Field[Any]") -> Setting[Any]:
    kind = Count if limit.type is int else Duration
    return kind(LIMIT_MEANINGS[limit.name], default=f"{limit.default:g}")


_LIMITS = {
    limit.name: _limit(limit)
    for limit in dataclasses.fields(Limits)
    if limit.name not in _FIXED_LIMITS
}


def _named(declared: Mapping[str, Setting[Any]]) -> Mapping[str, Setting[Any]]:
    for field, setting in declared.items():
        setting.data_key = f"{PREFIX}{field.upper()}"
    return MappingProxyType(dict(declared))


OWN = _named(DECLARED)
"""The settings that are fields of ``Settings``."""
LIMITS = _named(_LIMITS)
"""The settings that are fields of ``Limits``."""
SCHEMA: Schema = Schema.from_dict({**OWN, **LIMITS}, name="SettingsSchema")(unknown=RAISE)


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """What the documentation says of one setting. A secret may also be given as ``NAME_FILE``."""

    name: str
    default: str | None
    meaning: str
    secret: bool
    required: bool


CATALOGUE: tuple[SettingDoc, ...] = tuple(
    SettingDoc(
        name=f"{PREFIX}{field.upper()}",
        default=setting.metadata["default"],
        meaning=setting.metadata["meaning"],
        secret=setting.secret,
        required=setting.required,
    )
    for field, setting in {**OWN, **LIMITS}.items()
)
