"""Nodes that `gwm bench play` puts beside the pack in its own host: they note what live play shows
before it is encoded, and what a run gives. No part of the pack; imports nothing of the host.
"""

import hashlib
import sys

import numpy as np

# id of an outbox -> [the outbox, {tick: marks}]; the outbox stays, so that no id is used twice.
_heard = {}


def _mark(array):
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=10).hexdigest()


def _tick(frames, sound):
    """What one tick looked and sounded like: [mark of each frame, mark of its float32 sound]."""
    return [[_mark(frame) for frame in frames], _mark(np.asarray(sound, np.float32))]


def _module(ending):
    """A module of the pack, which the host has imported under a name of its own."""
    for name, module in list(sys.modules.items()):
        if name.endswith(ending):
            return module
    raise RuntimeError("the pack is not loaded")


class Listen:
    """From now on every tick that live play shows is noted; what was noted before is forgotten."""

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "GWM/bench"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"on": ("BOOLEAN", {"default": True})}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def run(self, on):
        kind = _module(".gwm_core.live.outbox").Outbox
        _heard.clear()
        plain = getattr(kind, "_plain_offer", kind.offer)
        kind._plain_offer = plain

        def offer(box, shown):
            if shown.kind == "tick":
                ticks = _heard.setdefault(id(box), [box, {}])[1]
                ticks[shown.tick] = [shown.hash, *_tick(shown.frames, shown.audio)]
            plain(box, shown)

        kind.offer = offer if on else plain
        return {"ui": {"listening": [bool(on)]}}


class Heard(Listen):
    """What was noted: of every player, in no order, {tick: [its hash, frames, sound]}."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        return {"ui": {"heard": [ticks for _, ticks in _heard.values()]}}


class Given(Listen):
    """The frames and the sound of a run, tick by tick, as `Listen` notes them."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "images": ("IMAGE",),
                "audio": ("AUDIO",),
                "frames_per_tick": ("INT", {"default": 2}),
                "samples_per_tick": ("INT", {"default": 2000}),
            }
        }

    def run(self, images, audio, frames_per_tick, samples_per_tick):
        frames = np.rint(images.cpu().numpy() * np.float32(255)).astype(np.uint8)
        sound = audio["waveform"][0].cpu().numpy()
        ticks = {}
        for tick in range(len(frames) // frames_per_tick):
            shown = frames[tick * frames_per_tick : (tick + 1) * frames_per_tick]
            heard = sound[:, tick * samples_per_tick : (tick + 1) * samples_per_tick]
            ticks[tick + 1] = _tick(shown, heard)
        return {"ui": {"given": [ticks]}}


class Stores(Listen):
    """Caps what is kept of worlds and players, and says what there is now."""

    @classmethod
    def INPUT_TYPES(cls):
        size = ("INT", {"default": 64, "min": 0, "max": 65536})
        return {"required": {"world": ("GWM_WORLD",), "states_mb": size, "clips_mb": size}}

    def run(self, world, states_mb, clips_mb):
        hub, states = _module(".nodes.live").hub, world.world.store
        states.resize(states_mb << 20)
        hub.clips.max_bytes = clips_mb << 20
        now = {"sessions": hub.sessions, "states_mb": states.nbytes / 1e6,
               "clips_mb": hub.clips.nbytes / 1e6}
        return {"ui": {"stores": [now]}}


NODE_CLASS_MAPPINGS = {
    "GWMBenchStores": Stores,
    "GWMBenchListen": Listen,
    "GWMBenchHeard": Heard,
    "GWMBenchGiven": Given,
}
