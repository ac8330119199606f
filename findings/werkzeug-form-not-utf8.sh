#!/bin/sh
# A form with one byte that is not UTF-8 is an empty form, and no error.
#
# The same byte percent-encoded is kept as it is, beside all other parameters. Who reads only
# request.form tells its client that a parameter is missing which was sent.
#
# Expected: request.form has the good parameters, or reading it raises (400 for the client).
# Seen: request.form is empty, nothing is raised, and the body is spent.
# Versions: Werkzeug 3.1.9, MarkupSafe 3.0.3
# Date: 2026-11-29
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Werkzeug==3.1.9 MarkupSafe==3.0.3
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

FORM = "application/x-www-form-urlencoded"


def form_of(body: bytes) -> dict[str, str]:
    return Request(EnvironBuilder(method="POST", data=body, content_type=FORM).get_environ()).form.to_dict()


print("Python", sys.version.split()[0], "Werkzeug", version("werkzeug"))
good, raw, encoded = map(form_of, (b"name=a&note=x", b"name=a&note=\xff", b"name=a&note=%ff"))
print("good:", good, "raw byte:", raw, "percent-encoded:", encoded)
sys.exit(0 if good and encoded.get("name") == "a" and raw == {} else 1)
PYTHON
