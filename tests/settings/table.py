"""``python -m tests.settings.table`` writes anew what the settings are told by elsewhere.

That is the tables of ``docs/settings.md``, and what the chart's schema says of settings.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from broker.limits import Limits
from broker.settings import CATALOGUE, Setting

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
CHART = ROOT / "helm" / "canvas-token-broker"
SCHEMA = CHART / "values.schema.json"
BEGIN = "<!-- table: written by python -m tests.settings.table -->\n"
END = "<!-- end of the table -->"
HEAD = "| setting | default | meaning |\n|---|---|---|\n"
OWN_VALUES = {
    ("workers",): "BROKER_WORKERS",
    ("threads",): "BROKER_THREADS",
    ("log", "level"): "BROKER_LOG_LEVEL",
    ("tls", "clientCerts"): "BROKER_TLS_CLIENT_CERTS",
    ("shutdown", "drainSeconds"): "BROKER_DRAIN_TIME",
}
"""The values of the chart whose bounds or words are those of a setting."""


def row(setting: Setting) -> str:
    """Return the line that documents a setting."""
    name = f"`{setting.name}`" + (" (secret)" if setting.secret else "")
    default = "required" if setting.required else ""
    if setting.default is not None:
        default = f"`{setting.default}`"
    return f"| {name} | {default} | {setting.meaning} |\n"


def tables() -> Iterator[str]:
    """Yield the table of the service's settings, and that of the limits."""
    for of_limits in (False, True):
        rows = (row(one) for one in CATALOGUE if hasattr(Limits, one.field) is of_limits)
        yield HEAD + "".join(rows)


def renewed_page(page: str) -> str:
    """Return the page with the tables as they should be."""
    each = tables()
    return re.sub(f"(?<={BEGIN}).*?(?={END})", lambda _: next(each), page, flags=re.DOTALL)


def renewed_schema(text: str) -> str:
    """Return the chart's schema with what it says of settings as it should be."""
    schema = json.loads(text)
    known = {one.name: one.kind.schema for one in CATALOGUE}
    for path, name in OWN_VALUES.items():
        place: dict[str, Any] = schema
        for key in path:
            place = place["properties"][key]
        place |= {key: known[name][key] for key in ("minimum", "enum") if key in known[name]}
    schema["properties"]["settings"]["patternProperties"] = dict(_patterns(reserved()))
    return json.dumps(schema, indent=2) + "\n"


def reserved() -> set[str]:
    """Return the settings that the chart sets or keeps to itself: its templates refuse them."""
    template = (CHART / "templates" / "_env.tpl").read_text("utf-8")
    names = re.findall("^(BROKER_[A-Z_]+): ", template, re.MULTILINE)
    return {*names, *(f"{name}_FILE" for name in names)}


def _patterns(without: set[str]) -> Iterator[tuple[str, object]]:
    """Yield what each kind of settings must be, by a pattern of their names."""
    kinds: dict[str, list[str]] = {}
    for one in CATALOGUE:
        if one.kind.schema and one.name not in without:
            # An empty text counts as not set.
            schema = one.kind.schema | {"pattern": f"^$|{one.kind.schema['pattern']}"}
            schema.pop("enum", None)
            kinds.setdefault(json.dumps(schema), []).append(one.name)
    for described, names in kinds.items():
        yield f"^({'|'.join(names)})$", json.loads(described)


if __name__ == "__main__":
    PAGE.write_text(renewed_page(PAGE.read_text("utf-8")), "utf-8")
    SCHEMA.write_text(renewed_schema(SCHEMA.read_text("utf-8")), "utf-8")
