"""What is measured is what is deployed."""

from pathlib import Path

from bench.scene import ALLOCATOR


def test_the_allocator_is_set_as_in_the_image() -> None:
    """Both say the same, or the figures are of something else."""
    dockerfile = Path("Dockerfile").read_text("utf-8")
    settings = {f"{name}={value} " for name, value in ALLOCATOR.items()}
    assert settings
    assert all(one in dockerfile for one in settings)
