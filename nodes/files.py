"""Save World and Load World: one file each, inside ComfyUI's own folders."""

from __future__ import annotations

import os

import folder_paths
from comfy_api.v0_0_2 import io

from .. import gwm_core as gwm
from ..gwm_core.errors import GWMError
from .host import TickProgress, say
from .models import file_mark
from .types import GWMModel, GWMWorld, WorldOnWire

ENDING = ".gwm"
_FOLDERS = {
    "output": folder_paths.get_output_directory,
    "input": folder_paths.get_input_directory,
}


def saved_worlds() -> list[str]:
    """Every world file as "name [output]" or "name [input]", names relative to the folder."""
    found = []
    for kind, folder in _FOLDERS.items():
        root = folder()
        for here, _, files in os.walk(root):
            names = (os.path.relpath(os.path.join(here, f), root) for f in files)
            found += [f"{n.replace(os.sep, '/')} [{kind}]" for n in names if n.endswith(ENDING)]
    return sorted(found)


def world_path(name: str) -> str:
    """The file behind a listed name; anything outside the two folders is refused."""
    for kind, folder in _FOLDERS.items():
        if name.endswith(f" [{kind}]"):
            root = os.path.realpath(folder())
            path = os.path.realpath(os.path.join(root, name[: -len(kind) - 3]))
            inside = os.path.commonpath([root, path]) == root
            if inside and path.endswith(ENDING) and os.path.isfile(path):
                return path
    raise GWMError(
        f"file: {name!r} is no world file; a {ENDING} file in ComfyUI's output or input folder "
        'is needed, named like "worlds/GWM_00001_.gwm [output]"'
    )


class GWMSaveWorld(io.ComfyNode):
    """Writes a world to one file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMSaveWorld",
            display_name="Save World",
            category="GWM/worlds",
            description=(
                "Saves a world to one small file in the output folder. Loaded again, it goes on "
                "exactly where it was. The file holds the world only, not your workflow."
            ),
            is_output_node=True,
            inputs=[
                GWMWorld.Input("world", tooltip="The world to save."),
                io.String.Input(
                    "filename_prefix",
                    default="worlds/GWM",
                    tooltip="Folder and beginning of the file's name inside the output folder; a "
                    "number is added.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "file", display_name="file", tooltip="The name that Load World lists."
                ),
            ],
        )

    @classmethod
    def execute(cls, world, filename_prefix) -> io.NodeOutput:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        file = f"{name}_{counter:05}_{ENDING}"
        with world.host.running():
            world.world.save(os.path.join(folder, file), TickProgress(world.world.tick))
        listed = f"{os.path.join(subfolder, file).replace(os.sep, '/')} [output]"
        say(f"saved {listed}")
        return io.NodeOutput(listed, ui={"text": [listed]})


class GWMLoadWorld(io.ComfyNode):
    """Reads a world file from the output or the input folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        files = saved_worlds()
        return io.Schema(
            node_id="GWMLoadWorld",
            display_name="Load World",
            category="GWM/worlds",
            description=(
                "Loads a saved world. It needs the model it was made with and says so if another "
                "one is wired in."
            ),
            inputs=[
                GWMModel.Input("model", tooltip="The model the world was made with."),
                io.Combo.Input(
                    "file",
                    options=files,
                    default=files[-1] if files else None,
                    tooltip="World files in ComfyUI's output and input folders; press R in "
                    "ComfyUI to look again.",
                ),
            ],
            outputs=[
                GWMWorld.Output(
                    "world", display_name="world", tooltip="The world as it was when saved."
                ),
                io.Int.Output(
                    "tick", display_name="tick", tooltip="How many ticks it had been played."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file=None):
        try:
            return file is None or bool(world_path(file))
        except GWMError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, model=None, file=""):
        return file_mark(world_path(file))

    @classmethod
    def execute(cls, model, file) -> io.NodeOutput:
        path = world_path(file)
        with model.running() as loaded:
            world = gwm.load_world(path, loaded)
        return io.NodeOutput(WorldOnWire(world, model), world.tick)
