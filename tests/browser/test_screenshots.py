"""Pictures of the states for the documentation, made anew with ``BROKER_SCREENSHOTS=1``."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.pictures import slim
from tests.browser.scenes import SCENES
from tests.browser.stage import Stage

pytestmark = pytest.mark.sockets

DIRECTORY = Path(__file__).parents[2] / "docs" / "screenshots"
HEAVIEST = 120_000
DESKTOP = {"viewport": {"width": 1180, "height": 720}, "color_scheme": "light"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark"}
PHONE |= {"device_scale_factor": 1.5, "is_mobile": True, "has_touch": True}
DEVICES = {"desktop": DESKTOP, "phone": PHONE}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scene", SCENES)
def test_picture(open_page: Open, stage: Stage, scene: str, device: str) -> None:
    """Each state has a picture on a desk and one on a phone, small enough to be kept."""
    path = DIRECTORY / f"{scene}-{device}.png"
    if os.environ.get("BROKER_SCREENSHOTS"):
        stage.body = SCENES[scene]()
        page = open_page(**DEVICES[device])
        page.clock.run_for(1000)
        path.write_bytes(slim(page.screenshot(full_page=True)))
    assert path.is_file()
    assert path.stat().st_size < HEAVIEST
