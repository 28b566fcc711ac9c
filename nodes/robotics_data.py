"""Save Robot Dataset and Load Robot Dataset: runs on disk, inside ComfyUI's own folders."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import comfy.model_management
import folder_paths
from comfy_api.v0_0_2 import io

from ..gwm_core.errors import GWMError
from ..gwm_core.robotics.datasets import contract, read_lerobot, read_robomimic, write_lerobot
from ..gwm_core.robotics.datasets.lerobot_meta import package
from ..gwm_core.robotics.trials import describe_run
from .host import TickProgress, say
from .robotics_shared import views_video
from .types import GWMRollouts, RolloutsOnWire

FOLDERS = {
    "output": folder_paths.get_output_directory,
    "input": folder_paths.get_input_directory,
}
ENDINGS = (".hdf5", ".h5")
INFO = os.path.join("meta", "info.json")
#: What a user types where a package is missing.
INSTALL = "pip install av h5py pyarrow"
MOST_EPISODES = 100000
#: Of what is loaded at once, uncompressed.
MOST_BYTES = 4 << 30
KEEP = ["all", "successes"]
IMAGES = {"video (small)": "video", "pictures (exact)": "image"}


def datasets() -> list[str]:
    """Every LeRobot folder and robomimic file as "name [output]" or "name [input]"."""
    found = []
    for kind, folder in FOLDERS.items():
        root = folder()
        for here, folders, files in os.walk(root):
            names = [f for f in files if f.endswith(ENDINGS)]
            if os.path.isfile(os.path.join(here, INFO)):
                names, folders[:] = [""], []
            folders[:] = [f for f in folders if not f.startswith(".")]
            found += [f"{_relative(root, here, name)} [{kind}]" for name in names]
    return sorted(found)


def _relative(root: str, here: str, name: str) -> str:
    return os.path.relpath(os.path.join(here, name) if name else here, root).replace(os.sep, "/")


def dataset_path(name: str) -> Path:
    """What is behind a listed name; anything outside the two folders is refused."""
    for kind, folder in FOLDERS.items():
        if isinstance(name, str) and name.endswith(f" [{kind}]"):
            root = os.path.realpath(folder())
            path = os.path.realpath(os.path.join(root, name[: -len(kind) - 3]))
            inside = path != root and os.path.commonpath([root, path]) == root
            whole = os.path.isfile(os.path.join(path, INFO)) or (
                path.endswith(ENDINGS) and os.path.isfile(path))
            if inside and whole:
                return Path(path)
    raise GWMError(
        f"dataset: {name!r} is no data set; a LeRobot folder (with meta/info.json) or a robomimic "
        'file (.hdf5) in ComfyUI\'s output or input folder is needed, named like '
        '"datasets/gwm_00001_ [output]"'
    )


def need(*names: str) -> None:
    """GWMError with the command that installs what is missing."""
    try:
        for name in names:
            package(name)
    except GWMError:
        raise GWMError(
            f"data sets: the Python package {name} is missing; install it into ComfyUI's Python "
            f"with: {INSTALL}"
        ) from None


class GWMSaveRobotDataset(io.ComfyNode):
    """Writes rollouts as a LeRobot data set."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMSaveRobotDataset",
            display_name="Save Robot Dataset",
            category="GWM/robots",
            description=(
                "Saves rollouts as a LeRobot v3 data set in the output folder: what robot "
                "training code reads."
            ),
            is_output_node=True,
            inputs=[
                GWMRollouts.Input("rollouts", tooltip="The runs to save."),
                io.String.Input(
                    "filename_prefix",
                    default="datasets/gwm",
                    dynamic_prompts=False,
                    tooltip="Folder and beginning of the data set's name inside the output "
                    "folder; a number is added.",
                ),
                io.Combo.Input(
                    "keep",
                    options=KEEP,
                    default=KEEP[0],
                    tooltip="all: every run. successes: only those that got their task done, as "
                    "imitation wants them.",
                ),
                io.Combo.Input(
                    "images",
                    options=list(IMAGES),
                    default=next(iter(IMAGES)),
                    tooltip="video: H.264, small. pictures: PNG inside the data files, exact and "
                    "larger.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "dataset",
                    display_name="dataset",
                    tooltip="The name that Load Robot Dataset lists.",
                ),
                io.Int.Output(
                    "episodes", display_name="episodes", tooltip="How many runs were saved."
                ),
            ],
        )

    @classmethod
    def execute(cls, rollouts, filename_prefix, keep, images) -> io.NodeOutput:
        if keep not in KEEP or images not in IMAGES:
            raise GWMError(f"keep: {keep!r}, images: {images!r}; {', '.join(KEEP)}, and "
                           f"{', '.join(IMAGES)} are accepted")
        need("pyarrow", *(["av"] if IMAGES[images] == "video" else []))
        chosen = [e for e in rollouts.episodes if e.success or keep == KEEP[0]]
        chosen = [e for e in chosen if e.ticks]
        if not chosen:
            raise GWMError(f"rollouts: none of the {len(rollouts.episodes)} runs got its task "
                           "done; choose 'all' in 'keep', or a better policy")
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory())
        made = f"{name}_{counter:05}_"
        bar = TickProgress(len(chosen), preview=False)
        write_lerobot(os.path.join(folder, made), chosen, images=IMAGES[images],
                      progress=lambda done: bar(done, len(chosen)))
        listed = f"{os.path.join(subfolder, made).replace(os.sep, '/')} [output]"
        say(f"saved {len(chosen)} runs: {listed}")
        return io.NodeOutput(listed, len(chosen), ui={"text": [listed]})


class GWMLoadRobotDataset(io.ComfyNode):
    """Reads a data set from the output or the input folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = datasets()
        return io.Schema(
            node_id="GWMLoadRobotDataset",
            display_name="Load Robot Dataset",
            category="GWM/robots",
            description=(
                "Loads runs from a LeRobot v3 data set or a robomimic file in ComfyUI's output or "
                "input folder."
            ),
            inputs=[
                io.Combo.Input(
                    "dataset",
                    options=names,
                    default=names[-1] if names else None,
                    tooltip="LeRobot folders and robomimic files (.hdf5) in ComfyUI's output and "
                    "input folders; press R in ComfyUI to look again.",
                ),
                io.Int.Input(
                    "first",
                    default=0,
                    min=0,
                    max=MOST_EPISODES,
                    tooltip="The first run that is loaded, from 0 on.",
                ),
                io.Int.Input(
                    "count",
                    default=20,
                    min=1,
                    max=MOST_EPISODES,
                    tooltip="Most runs that are loaded. They lie in memory uncompressed.",
                ),
                io.String.Input(
                    "cameras",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Other names for cameras, such as agentview=front, "
                    "robot0_eye_in_hand=wrist; only these are loaded. Empty: all, under their own "
                    "names.",
                ),
            ],
            outputs=[
                GWMRollouts.Output(
                    "rollouts",
                    display_name="rollouts",
                    tooltip="The runs, for Find Violations, Counterfactuals and Save Robot "
                    "Dataset.",
                ),
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="All cameras of the first loaded run, side by side.",
                ),
                io.String.Output(
                    "about",
                    display_name="about",
                    tooltip="What the data set is: cameras, rates, names and ranges of its "
                    "numbers, tasks; then a line a run.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, dataset=None, cameras=None):
        try:
            cameras_of(cameras or "")
            return dataset is None or bool(dataset_path(dataset))
        except GWMError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, dataset="", **inputs):
        return dataset_mark(dataset_path(dataset))

    @classmethod
    def execute(cls, dataset, first, count, cameras) -> io.NodeOutput:
        path, names = dataset_path(dataset), cameras_of(cameras)
        if path.is_dir():
            need("pyarrow", "av")
            about = contract(path)
            source = read_lerobot(path, cameras=names)
        else:
            need("h5py")
            about = f"robomimic file {path.name}"
            source = read_robomimic(path, cameras=names)
        episodes = _some(source, first, count)
        if not episodes:
            raise GWMError(f"first: {first}; the data set has fewer runs")
        lines = [f"run {i}: {describe_run(e)}" for i, e in enumerate(episodes, start=first)]
        return io.NodeOutput(
            RolloutsOnWire(tuple(episodes)),
            views_video(episodes[0]),
            "\n".join([about, "", "Loaded", *lines]),
        )


def _some(source, first: int, count: int) -> list:
    bar = TickProgress(count, preview=False)
    episodes, size = [], 0
    for number, episode in enumerate(itertools.islice(source, first + count)):
        comfy.model_management.throw_exception_if_processing_interrupted()
        if number < first:
            continue
        size += sum(view.nbytes for view in episode.views.values())
        if size > MOST_BYTES:
            raise GWMError(f"count: the first {len(episodes)} runs take {MOST_BYTES >> 30} GB in "
                           "memory; load fewer at once")
        episodes.append(episode)
        bar(len(episodes), count)
    bar(count, count)
    return episodes


def cameras_of(text: str) -> dict[str, str] | None:
    """View names by camera from "agentview=front, ..."; None for an empty text."""
    parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    out = {}
    for part in parts:
        camera, mark, view = (word.strip() for word in part.partition("="))
        if not camera or not view:
            raise GWMError(f"cameras: {part!r}; camera=name is accepted, such as agentview=front")
        out[camera] = view
    return out or None


def dataset_mark(path: Path) -> tuple:
    """Changes when the data set does."""
    file = path / INFO if path.is_dir() else path
    stat = os.stat(file)
    return str(path), stat.st_size, stat.st_mtime_ns
