"""Idle states go to the host's memory and come back: to the bit, shared parts once, by a thread."""

import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core.backbones.offload import Mover, OffloadingStore  # noqa: E402
from gwm_core.backbones.tiny_models import TWINS  # noqa: E402
from gwm_core.clip import Clip  # noqa: E402

PICTURE = (np.indices((90, 160)).sum(0)[..., None] * (1, 2, 3) % 256).astype(np.uint8)


class HostAsCard(Mover):
    """What is made is on "the card"; copies of it in the host's memory carry a mark. Bytes really
    are copied, and counted; what a graphics card adds (streams, pinned pages) is not in here."""

    def __init__(self):
        self.copied_down = self.copied_up = 0
        self.gate, self.asked = threading.Event(), threading.Event()
        self.gate.set()

    def home(self, tensor):
        return None if getattr(tensor, "in_host", False) else "card"

    def ready(self, home):
        return None

    def down(self, tensor, ready):
        self.asked.set()
        assert self.gate.wait(30)
        self.copied_down += tensor.nbytes
        host = tensor.clone(memory_format=torch.preserve_format)
        host.in_host = True
        return host

    def up(self, host, home):
        self.copied_up += host.nbytes
        return host.clone(memory_format=torch.preserve_format)


class State:
    """Tensors in a row."""

    def __init__(self, *parts):
        self.parts = parts

    def buffers(self):
        return list(self.parts)

    nbytes = property(lambda self: sum(t.nbytes for t in self.parts))

    def map(self, change):
        return State(*(change(t) for t in self.parts))

    def to_arrays(self):
        return {str(i): t.numpy() for i, t in enumerate(self.parts)}, {}


class Recording(OffloadingStore):
    """Keeps every state that was put."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.states = []

    def put(self, key, state, *args, **kwargs):
        self.states.append(state)
        super().put(key, state, *args, **kwargs)


def store(room=0, **kwargs):
    kwargs = {"max_bytes": 1 << 20, "every": 1, "recent": 8, **kwargs}
    return OffloadingStore(room=room, mover=HostAsCard(), **kwargs)


def part(value):
    return torch.full((4, 8), float(value))  # 128 bytes


def test_the_newest_stays_and_shared_parts_are_copied_once_each_way():
    kept = store()
    shared = part(0)
    for n in range(3):
        kept.put(bytes([n]), State(shared, part(n + 1)), b"w", n)
    assert kept.settled(10)
    # The newest shares `shared`, which is on the card for its sake; copies share it below too.
    assert kept.card_bytes() == 256 and kept._mover.copied_down == 3 * 128
    assert kept.nbytes == 256 + 3 * 128
    first, second = (kept._entries[bytes([n])].state for n in (0, 1))
    assert first.parts[0] is second.parts[0] and first.parts[0] is not shared
    assert kept.get(b"\2").parts[0] is shared
    back = kept.get(b"\0")
    # Its shared part is still on the card: only its own is copied up again.
    assert back.parts[0] is shared and kept._mover.copied_up == 128
    assert torch.equal(back.parts[1], part(1)) and not getattr(back.parts[1], "in_host", False)
    again = kept.get(b"\0")
    assert again.parts[1] is back.parts[1], "one copy while somebody holds it"
    # A branch from it shares what it came from, and its part goes down again at no cost.
    kept.put(b"b", State(*back.parts, part(9)), b"w", 9)
    assert kept.settled(10) and kept._mover.copied_down == 4 * 128
    assert kept.card_bytes() == 3 * 128


def test_room_keeps_what_was_used_last_on_the_card():
    kept = store(room=256)
    for n in range(5):
        kept.put(bytes([n]), State(part(n)), bytes([n]), 1)
    assert kept.settled(10) and kept.card_bytes() == 3 * 128
    on_card = [n for n in range(5) if kept._on_card(kept._entries[bytes([n])])]
    assert on_card == [2, 3, 4]
    kept.idle()
    assert kept.card_bytes() == 0 and kept.nbytes == 5 * 128
    assert torch.equal(kept.get(b"\4").parts[0], part(4))


def test_no_tick_waits_for_a_copy():
    kept = store()
    kept._mover.gate.clear()
    for n in range(4):
        kept.put(bytes([n]), State(part(n)), b"w", n)
        if n:
            assert kept._mover.asked.wait(10)  # a copy is under way, and is held up
        assert torch.equal(kept.get(bytes([n])).parts[0], part(n))
    assert kept.card_bytes() == 4 * 128 and kept._mover.copied_down == 0
    assert kept.get(b"\0").parts[0].sum() == 0  # also what is about to be moved
    kept._mover.gate.set()
    assert kept.settled(10) and kept.card_bytes() == 128


def test_what_is_dropped_or_replaced_while_it_is_copied():
    kept = store()
    kept._mover.gate.clear()
    kept.put(b"1", State(part(1)), b"w", 1)
    kept.put(b"2", State(part(2)), b"w", 2)
    kept.put(b"1", State(part(7)), b"w", 1)
    kept._mover.gate.set()
    assert kept.settled(10)
    assert torch.equal(kept.get(b"1").parts[0], part(7)) and kept.nbytes == 256
    kept._mover.gate.clear()
    kept.put(b"3", State(part(3)), b"w", 3)
    kept.clear()
    kept._mover.gate.set()
    assert kept.settled(10) and kept.nbytes == 0 and len(kept) == 0


def test_without_memory_for_a_copy_the_state_is_dropped_and_replayed():
    kept = store()

    def full(tensor, ready):
        raise RuntimeError("cannot pin memory")

    kept._mover.down = full
    kept.put(b"1", State(part(1)), b"w", 1)
    kept.put(b"2", State(part(2)), b"w", 2)
    assert kept.settled(10) and kept.get(b"1") is None and kept.nbytes == 128


@pytest.mark.parametrize("kind", TWINS)
def test_worlds_of_each_family_are_exact_and_cost_what_is_new(kind):
    model, plain = TWINS[kind](), TWINS[kind]()
    block = model.embodiment.block_ticks
    model.store = Recording(max_bytes=1 << 30, every=1, recent=8, mover=HostAsCard())
    text = kind == "causal-wan"
    begun = {"prompt": "a street"} if text else {"image": PICTURE}
    world, other = (m.new_world(seed=5, **begun) for m in (model, plain))
    held, clips, wanted = [world], [], []
    for _ in range(8):
        world, clip = world.step(f"idle*{block}")
        held.append(world)
        clips.append(clip)
        other, clip = other.step(f"idle*{block}")
        wanted.append(clip)
    assert model.store.settled(30)
    assert Clip.concat(clips).hash() == Clip.concat(wanted).hash()
    assert model.store.card_bytes() <= world.state().nbytes
    # Nothing went down twice, however many kept states share it.
    put = {id(t): t.nbytes for state in model.store.states for t in state.buffers()}
    assert 0 < model.store._mover.copied_down <= sum(put.values())
    assert len(put) < sum(len(state.buffers()) for state in model.store.states)
    # Back in the middle and on along another branch, then along the first one again.
    middle = held[4]
    branch, clip = middle.step(f"idle*{block}")
    assert clip.hash() == wanted[4].hash()
    model.store.idle()
    assert model.store.card_bytes() == 0
    _, clip = world.step(f"idle*{block}")
    assert clip.hash() == other.step(f"idle*{block}")[1].hash()
