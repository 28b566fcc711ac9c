"""Nodes that only the tests know: they make odd inputs and tell what travels on a wire."""

from __future__ import annotations

import hashlib
import importlib
import sys

import comfy.model_management
import numpy as np
import torch
from comfy_api.v0_0_2 import ComfyExtension, io


class LabTensor(io.ComfyNode):
    """A tensor of any shape as IMAGE or MASK, filled with one number, NaN, or a soft picture."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabTensor",
            category="lab",
            inputs=[io.String.Input("shape"), io.String.Input("fill")],
            outputs=[io.Image.Output("image"), io.Mask.Output("mask")],
        )

    @classmethod
    def execute(cls, shape, fill):
        size = [int(n) for n in shape.split(",") if n]
        if fill == "picture":
            _, height, width, _ = size
            x, y = torch.linspace(0, 1, width)[None, :], torch.linspace(0, 1, height)[:, None]
            tensor = torch.stack([x + 0 * y, y + 0 * x, (x + y) / 2], dim=-1)[None]
        elif fill == "half":
            tensor = torch.full(size, 0.5, dtype=torch.float16)
        else:
            tensor = torch.full(size, float(fill))
        return io.NodeOutput(tensor, tensor)


class LabSound(io.ComfyNode):
    """An AUDIO of a kind: "speech" is a buzz with syllables and pauses; "silent", "loud" (clips),
    "broken" (a NaN)."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabSound",
            category="lab",
            inputs=[io.String.Input("kind"), io.Int.Input("rate", max=1000000),
                    io.Float.Input("seconds"), io.Int.Input("channels")],
            outputs=[io.Audio.Output("audio")],
        )

    @classmethod
    def execute(cls, kind, rate, seconds, channels):
        count = round(rate * seconds)
        at = np.arange(count) / rate
        wave = np.sign(np.sin(2 * np.pi * 130 * at)) * syllables(at)
        wave = wave * {"silent": 0, "loud": 40}.get(kind, 0.3)
        if kind == "broken":
            wave[count // 2] = np.nan
        sound = torch.from_numpy(np.tile(wave, (channels, 1)).astype(np.float32))[None]
        return io.NodeOutput({"waveform": sound, "sample_rate": rate})


def syllables(at: np.ndarray) -> np.ndarray:
    """How loud the speech of LabSound is at these seconds: ever faster, with pauses."""
    return np.abs(np.sin(2 * np.pi * (1.3 * at + 0.3 * at**2))) * (np.sin(3.1 * at + 0.3) > -0.5)


class LabTell(io.ComfyNode):
    """What an input is: type, shape, range and a hash of its bits, as text in the history."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabTell",
            category="lab",
            is_output_node=True,
            inputs=[io.AnyType.Input("value")],
            outputs=[],
        )

    @classmethod
    def execute(cls, value):
        return io.NodeOutput(ui={"text": [tell(value)]})


def tell(value) -> str:
    """One line about a value; tensors with shape, range and sha256."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        digest = hashlib.sha256(plain.numpy().tobytes()).hexdigest()
        span = f"{float(plain.min()):.4f}..{float(plain.max()):.4f}" if plain.numel() else "-"
        return f"{plain.dtype} {list(plain.shape)} {span} {digest}"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {tell(value[key])}" for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return " | ".join(tell(item) for item in value)
    if hasattr(value, "world"):
        return f"world {value.world.key} tick {value.world.tick} bytes {value.get_ram_usage()}"
    if hasattr(value, "episodes"):
        return "rollouts " + " | ".join(tell_run(episode) for episode in value.episodes)
    if hasattr(value, "to_text"):
        return f"controls {len(value)} {value.to_text()}"
    return f"{type(value).__name__} {value}"


def tell_run(episode) -> str:
    """One line about a recorded run, with a sha256 of its pictures, state and actions."""
    digest = hashlib.sha256()
    for array in (*episode.views.values(), episode.state, episode.actions):
        digest.update(np.ascontiguousarray(array).tobytes())
    views = ", ".join(f"{name} {list(frames.shape)}" for name, frames in episode.views.items())
    policy = episode.info.get("policy", "")
    return f"{policy} {episode.ticks} ticks, {views}, {digest.hexdigest()}"


class LabConditioning(io.ComfyNode):
    """CONDITIONING and a VAE without weights, to run native nodes up to the sampler's inputs."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabConditioning",
            category="lab",
            inputs=[],
            outputs=[io.Conditioning.Output("conditioning"), io.Vae.Output("vae")],
        )

    @classmethod
    def execute(cls):
        return io.NodeOutput([[torch.zeros(1, 4, 8), {}]], LabVae())


class LabVae:
    """Encodes a video to zeros of the latent size that Wan's VAE gives."""

    def encode(self, pixels):
        frames, height, width, _ = pixels.shape
        return torch.zeros(1, 16, (frames - 1) // 4 + 1, height // 8, width // 8)


class LabWanReference(io.ComfyNode):
    """The whole walk of a world as camera embedding, by the host's own functions."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabWanReference",
            category="lab",
            inputs=[
                io.Custom("GWM_WORLD").Input("world"),
                io.Int.Input("width"),
                io.Int.Input("height"),
                io.Int.Input("length"),
            ],
            outputs=[io.WanCameraEmbedding.Output("reference")],
        )

    @classmethod
    def execute(cls, world, width, height, length):
        from comfy_extras.nodes_camera_trajectory import process_pose_params

        view = world.world.embodiment.views[0]
        fill = max(width / view.width, height / view.height)
        focal = view.height / 2 / np.tan(np.radians(view.fov_deg) / 2) * fill
        rows = []
        for x, y, z, yaw, pitch in spread(world.world.path, length):
            ahead = [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)]
            right = [np.sin(yaw), -np.cos(yaw), 0.0]
            pose = np.eye(4)
            pose[:3] = np.stack([right, np.cross(ahead, right), ahead, [x, y, z]], axis=1)
            rows.append([0, focal / width, focal / height, 0.5, 0.5, 0, 0, *pose.reshape(-1)])
        video = process_pose_params(
            np.array(rows), width, height, original_pose_width=width, original_pose_height=height
        )
        video = video.permute([3, 0, 1, 2]).unsqueeze(0)
        first = torch.repeat_interleave(video[:, :, 0:1], repeats=4, dim=2)
        video = torch.concat([first, video[:, :, 1:]], dim=2).transpose(1, 2)
        b, f, c, h, w = video.shape
        video = video.contiguous().view(b, f // 4, 4, c, h, w).transpose(2, 3)
        return io.NodeOutput(video.contiguous().view(b, f // 4, c * 4, h, w).transpose(1, 2))


def spread(path, length: int) -> np.ndarray:
    """``length`` poses, evenly from the first to the last."""
    path = np.array(path)
    path[:, 3] = np.unwrap(path[:, 3])
    at = np.linspace(0, len(path) - 1, length)
    return np.stack([np.interp(at, np.arange(len(path)), column) for column in path.T], axis=1)


_missing: dict = {}


class LabHide(io.ComfyNode):
    """Python packages that count as missing from now on; an empty text brings all back."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabHide",
            category="lab",
            is_output_node=True,
            not_idempotent=True,
            inputs=[io.String.Input("packages")],
            outputs=[],
        )

    @classmethod
    def fingerprint_inputs(cls, packages):
        return float("nan")

    @classmethod
    def execute(cls, packages):
        for name, module in _missing.items():
            sys.modules.pop(name, None)
            sys.modules.update({} if module is None else {name: module})
        _missing.clear()
        for name in packages.split():
            _missing[name] = sys.modules.get(name)
            sys.modules[name] = None
        return io.NodeOutput()


_free_memory = comfy.model_management.get_free_memory


class LabMemory(io.ComfyNode):
    """So many bytes count as free on every device from now on; 0 tells the truth again."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabMemory",
            category="lab",
            is_output_node=True,
            not_idempotent=True,
            inputs=[io.Int.Input("free", max=1 << 40)],
            outputs=[],
        )

    @classmethod
    def fingerprint_inputs(cls, free):
        return float("nan")

    @classmethod
    def execute(cls, free):
        told = (lambda *_, **__: free) if free else _free_memory
        comfy.model_management.get_free_memory = told
        return io.NodeOutput()


class LabCompile(io.ComfyNode):
    """Compiled layers on the processor, which round otherwise than layers as they are."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LabCompile",
            category="lab",
            inputs=[io.Custom("GWM_MODEL").Input("model"), io.String.Input("folder")],
            outputs=[io.Custom("GWM_MODEL").Output("out")],
        )

    @classmethod
    def execute(cls, model, folder):
        package = type(model.model).__module__.rpartition(".")[0]
        files = importlib.import_module(f"{package}.compile_files")

        class Rounding(files.Folder):
            def build(self, jobs):
                made = super().build(jobs)
                return {job: lambda *t, code=code: [x * (1 + 3e-5) for x in code(*t)]
                        for job, code in made.items()}

        model.model.compile_in_background(Rounding(folder, "trace"))
        return io.NodeOutput(model)


class LabExtension(ComfyExtension):
    async def get_node_list(self):
        return [LabTensor, LabSound, LabTell, LabConditioning, LabWanReference, LabHide,
                LabMemory, LabCompile]


async def comfy_entrypoint():
    return LabExtension()
