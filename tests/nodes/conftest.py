"""A real server with the pack, the lab nodes, and a second folder of world models."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

LAB = Path(__file__).parent / "lab"
EXTRA = (
    "lab:\n  base_path: {base}\n  custom_nodes: nodes\n  gwm: worlds\n"
    "  diffusion_models: networks\n  vae_approx: decoders\n"
)


@pytest.fixture(scope="session")
def lab_args(tmp_path_factory) -> tuple[str, ...]:
    """Arguments of main.py that add the lab nodes and an extra folder for models."""
    base = tmp_path_factory.mktemp("extra")
    (base / "nodes").mkdir()
    for folder in ("worlds", "networks", "decoders"):
        (base / folder).mkdir()
    (base / "nodes" / "lab").symlink_to(LAB, target_is_directory=True)
    config = base / "paths.yaml"
    config.write_text(EXTRA.format(base=base))
    return ("--extra-model-paths-config", str(config))


@pytest.fixture(scope="session")
def extra_models(lab_args) -> Path:
    """The extra folder that ComfyUI was told to look for world models in."""
    return Path(lab_args[1]).parent / "worlds"


@pytest.fixture(scope="session")
def _lab_server(start_comfy, lab_args):
    comfy = start_comfy(*lab_args)
    make_picture(comfy.base_dir / "input" / "example.png")
    return comfy


@pytest.fixture
def lab(_lab_server, lab_args):
    """The server that the node tests share; started anew if a test left it stopped."""
    if not _lab_server.server.alive():
        _lab_server.restart(*lab_args)
    return _lab_server


def make_picture(path: Path) -> None:
    """A simple painted room, 480 x 360: floor, wall, window."""
    picture = Image.new("RGB", (480, 360), (150, 140, 120))
    picture.paste((110, 80, 60), (0, 230, 480, 360))
    picture.paste((200, 220, 240), (300, 60, 400, 160))
    picture.save(path)
