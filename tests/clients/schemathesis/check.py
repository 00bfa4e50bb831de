"""Runs schemathesis against the OpenAPI document of a server.

    python check.py URL
"""

import itertools
import json
import os
import sys
import tempfile

import schemathesis
from schemathesis.cli import schemathesis as command

URL = sys.argv[1]
numbers = itertools.count()


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Most names that it makes up are no topic's: every other call goes to one. Packages that come live come for ever."""
    if next(numbers) % 2 and "topic" in (case.path_parameters or {}):
        case.path_parameters["topic"] = "t"
    if case.method.upper() == "GET" and case.path.endswith("/packages"):
        asked = str((case.query or {}).get("until_end", "false")).lower()
        if asked in ("", "false", "none", "null"):
            case.query = {**(case.query or {}), "until_end": "true"}


checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
arguments = ["run", f"{URL}/swagger/v1/swagger.json", "--url", URL, "--checks", checks]
arguments += ["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1", "--workers", "1"]
arguments += ["--request-timeout", "60", "--no-color"]
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)  # it keeps what it found, and tries that again the next time
    command(arguments)
