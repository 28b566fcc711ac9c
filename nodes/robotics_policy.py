"""Robot Policy: a built-in one, recorded actions, or one that answers on this machine."""

from __future__ import annotations

import json
import os
from typing import Any

import comfy.model_management
import numpy as np
from comfy_api.v0_0_2 import io

from ..gwm_core.controls import Controls
from ..gwm_core.errors import ControlError, GWMError
from ..gwm_core.robotics.loading import tabletop_embodiment
from ..gwm_core.robotics.policy import Recorded
from ..gwm_core.robotics.remote_policy import Address, RemotePolicy
from ..gwm_core.robotics.scripted import POLICIES, make_policy
from .host import say
from .robotics_shared import MOST_TICKS
from .types import GWMPolicy, PolicyOnWire

#: Environment variable: comma separated hosts beside this machine that policies may be asked at.
#: It belongs to who starts ComfyUI: a workflow that somebody shared cannot set it.
HOSTS = "GWM_POLICY_HOSTS"
KINDS = ["built-in", "recorded actions", "server"]
ACTIONS = (
    "move(0.02,0,0)*8 move(0,0,-0.03)*4\n# close the fingers, then lift\n"
    "grip(1)*3 move(0,0,0.03)*5"
)
ACTIONS_HELP = (
    "Actions from left to right, ten ticks a second: move(x,y,z) metres a tick (to 0.04), "
    "turn(roll,pitch,yaw) radians a tick (to 0.3), grip(1) closes and grip(-1) opens the fingers, "
    "idle waits; *8 holds for 8 ticks, + joins what happens together, # starts a comment."
)


def parse_actions(text: str) -> np.ndarray:
    """Actions float32 [T, 7] from control text or JSON (a list of lists of 7 numbers, or an object
    with "actions"); GWMError says what is wrong and where."""
    stripped = text.strip()
    if stripped[:1] not in ("[", "{"):
        return track_actions(Controls.parse(text, tabletop_embodiment()))
    try:
        data = json.loads(stripped)
    except (ValueError, RecursionError) as problem:
        raise GWMError(f"actions: no JSON ({problem}); [[x, y, z, roll, pitch, yaw, grip], ..] "
                       "is accepted, or control text") from None
    rows = data.get("actions") if isinstance(data, dict) else data
    try:
        values = np.array(rows, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 2 or values.shape[1] != 7 or not len(values):
        raise GWMError("actions: lists of 7 numbers [x, y, z, roll, pitch, yaw, grip] are accepted")
    low, high, _ = tabletop_embodiment().limits
    names = tabletop_embodiment().control_names
    for tick, row in enumerate(values):
        for name, value, least, most in zip(names, row, low, high, strict=True):
            if not least - 1e-6 <= value <= most + 1e-6:  # NaN too
                raise GWMError(f"actions, tick {tick}: {name} is {value:g}; {least:g} to {most:g} "
                               "is accepted")
    return _short(values.astype(np.float32))


def track_actions(track: Controls) -> np.ndarray:
    """Actions float32 [T, 7] of controls of the table."""
    if track.events:
        raise GWMError("actions: a robot's table knows no events; move, turn and grip are accepted")
    return _short(np.array(track.values, np.float32))


def _short(actions: np.ndarray) -> np.ndarray:
    if not 1 <= len(actions) <= MOST_TICKS:
        raise GWMError(f"actions: {len(actions)} ticks; 1 to {MOST_TICKS} are accepted")
    return actions


def policy_hosts() -> list[str]:
    """Hosts beside this machine that may be asked."""
    return [name for name in os.environ.get(HOSTS, "").split(",") if name.strip()]


def address_of(url: str) -> Address:
    """Where a policy answers; GWMError says how another machine is allowed."""
    try:
        return Address(url, policy_hosts())
    except GWMError as error:
        if "another machine" not in str(error):
            raise
        raise GWMError(f"{error}: they start ComfyUI with {HOSTS}=host") from None


def built_in(name: str, label: str = "") -> PolicyOnWire:
    """A built-in policy by name."""
    if name not in POLICIES:
        raise GWMError(f"policy: {name!r}; one of {', '.join(POLICIES)} is accepted")
    return PolicyOnWire(label or name, lambda task, eyes: make_policy(name, task, eyes))


class GWMRobotPolicy(io.ComfyNode):
    """What decides a robot's actions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMRobotPolicy",
            display_name="Robot Policy",
            category="GWM/robots",
            description=(
                "What decides a robot's actions: one of the built-in policies, actions that you "
                "write down, or your own policy that answers over HTTP on this machine."
            ),
            inputs=[
                io.Combo.Input(
                    "kind",
                    options=KINDS,
                    default=KINDS[0],
                    tooltip="built-in: the one chosen in 'policy'. recorded actions: those in "
                    "'actions', whatever is seen. server: your own, at 'url'.",
                ),
                io.Combo.Input(
                    "policy",
                    options=list(POLICIES),
                    default=next(iter(POLICIES)),
                    tooltip="A built-in policy. They see pictures and feel the gripper, as a "
                    "robot does, and are graded from expert to hopeless; 'about' says what each "
                    "does. Used when kind is built-in.",
                ),
                io.String.Input(
                    "actions",
                    multiline=True,
                    default=ACTIONS,
                    dynamic_prompts=False,
                    tooltip=f"{ACTIONS_HELP} Or JSON: a list of lists of 7 numbers. Used when "
                    "kind is recorded actions.",
                ),
                io.String.Input(
                    "url",
                    default="http://127.0.0.1:8765",
                    dynamic_prompts=False,
                    tooltip="Where your policy answers (the help page has the protocol and a "
                    "server in three lines). Only this machine, unless whoever starts ComfyUI "
                    f"allows a host with {HOSTS}. Used when kind is server.",
                ),
                io.Float.Input(
                    "timeout",
                    default=10.0,
                    min=0.1,
                    max=600.0,
                    step=0.1,
                    tooltip="Seconds that the server may take for an answer.",
                ),
                io.String.Input(
                    "label",
                    default="",
                    dynamic_prompts=False,
                    tooltip="The name in tables and plots; empty takes the policy's own.",
                ),
            ],
            outputs=[
                GWMPolicy.Output(
                    "made_policy",
                    display_name="policy",
                    tooltip="For Robot Rollout, Counterfactuals and Evaluate Policies.",
                ),
                io.String.Output(
                    "about", display_name="about", tooltip="What this policy does, in a sentence."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, kind=None, policy=None, actions=None, url=None):
        try:
            if kind == KINDS[1] and actions is not None:
                parse_actions(actions)
            elif kind == KINDS[2] and url is not None:
                address_of(url)
            elif kind == KINDS[0] and policy is not None:
                built_in(policy)
            elif kind is not None and kind not in KINDS:
                return f"kind: {kind!r}; one of {', '.join(KINDS)} is accepted"
        except ControlError as error:
            return str(error).replace("controls", "actions", 1)
        except GWMError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, kind=None, **inputs):
        # What a server answers may change at any time.
        return float("nan") if kind == KINDS[2] else ""

    @classmethod
    def execute(cls, kind, policy, actions, url, timeout, label) -> io.NodeOutput:
        label = " ".join(label.split())[:60]
        if kind == KINDS[0]:
            made, about = built_in(policy, label), f"{policy}: {POLICIES.get(policy, '')}"
        elif kind == KINDS[1]:
            plan = parse_actions(actions)
            made = PolicyOnWire(label or "recorded", lambda task, eyes: Recorded(plan))
            about = f"{len(plan)} recorded actions ({len(plan) / 10:g} s), then it stands still"
        elif kind == KINDS[2]:
            made, about = _remote(url, timeout, label)
        else:
            raise GWMError(f"kind: {kind!r}; one of {', '.join(KINDS)} is accepted")
        say(about)
        return io.NodeOutput(made, about)


def _remote(url: str, timeout: float, label: str) -> tuple[PolicyOnWire, str]:
    address = address_of(url)
    check = comfy.model_management.throw_exception_if_processing_interrupted

    def make(task: str, eyes: Any) -> RemotePolicy:
        return RemotePolicy(address, task, timeout, check)

    asked = make("", None)
    try:
        name = asked.introduce()
    finally:
        asked.close()
    return PolicyOnWire(label or name, make), f"{name}, at {url}"
