"""The page of a real broker: what its own `/health` says is what the page shows."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

BOUND = 30_000


def test_the_page_of_a_real_broker(chromium: Browser, valkey: RedisServer, tmp_path: Path) -> None:
    """It shows the organization fresh, and tells when the broker has gone."""
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})
    context = chromium.new_context()
    complaints: list[str] = []
    with (
        EmulatorServer(canvas) as emulator,
        Deployment(tmp_path, emulator, valkey.url, brokers=1) as deployment,
    ):
        deployment.wait_for_token()
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text))
        answer = page.goto(f"http://127.0.0.1:{deployment.brokers[0].port}/status")
        assert answer is not None
        assert answer.status == 200
        row = page.locator("li.organization")
        expect(row.locator(".who .chip")).to_have_text("fresh", timeout=BOUND)
        expect(row.locator(".name")).to_have_text("acme")
        expect(row.locator(".life .num").first).to_contain_text("min")
        expect(page.locator("#word")).to_have_text("Pass")
        assert complaints == []
        deployment.brokers[0].kill()
        expect(page.get_by_role("alert")).to_contain_text("Connection lost", timeout=BOUND)
    context.close()
