"""The files and addresses of one demonstration, all made up for it."""

import os
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.callers import new_key
from broker.demo.ports import HOST

ORGANIZATION = "acme"
CALLER = "demo"
LIFETIME = 90
"""Seconds a token lives: it turns stale after some 45, so a refresh is seen within two minutes."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything is; ``key`` is the caller key to show."""

    directory: Path
    port: int
    emulator_port: int
    redis_url: str
    workers: int
    key: str

    @property
    def credentials(self) -> Path:
        """Return the folder of credentials."""
        return self.directory / "credentials"

    @property
    def address(self) -> str:
        """Return the broker's base URL."""
        return f"http://{HOST}:{self.port}"

    def write(self, digest: str) -> None:
        """Write the credentials and the callers file."""
        folder = self.credentials / ORGANIZATION
        folder.mkdir(parents=True)
        (folder / "consumer").write_text(secrets.token_hex(32))
        (folder / "secret-key").write_text(str(uuid.uuid4()))
        (self.directory / "callers.toml").write_text(
            f'[callers.{CALLER}]\nkey_sha256 = "{digest}"\norganizations = ["{ORGANIZATION}"]\n'
        )

    def emulator_arguments(self) -> list[str]:
        """Return the command line of the emulator."""
        arguments = ["emulator", "--port", str(self.emulator_port)]
        arguments += ["--credentials-dir", str(self.credentials)]
        arguments += ["--access-lifetime-authenticate", str(LIFETIME)]
        return [*arguments, "--access-lifetime-refresh", str(LIFETIME)]

    def environ(self) -> Mapping[str, str]:
        """Return the broker's environment: this process's, without settings of another broker."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
        return kept | {
            "BROKER_BIND": f"{HOST}:{self.port}",
            "BROKER_WORKERS": str(self.workers),
            "BROKER_CANVAS_URL": f"http://{HOST}:{self.emulator_port}/api",
            "BROKER_CREDENTIALS_DIR": str(self.credentials),
            "BROKER_CALLERS_FILE": str(self.directory / "callers.toml"),
            "BROKER_REDIS_URL": self.redis_url,
        }


def make_scene(
    directory: Path, port: int, emulator_port: int, redis_url: str, workers: int
) -> Scene:
    """Return a scene whose files are written below ``directory``."""
    key, digest = new_key()
    scene = Scene(directory, port, emulator_port, redis_url, workers, key)
    scene.write(digest)
    return scene
