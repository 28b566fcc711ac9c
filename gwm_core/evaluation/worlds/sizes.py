"""How many cases of each kind a run takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """walks, played: explorers' walks for the picture and for the keys; few_*: how many of them
    are played again with true depth; turns, returns: for memory; ablated: walks and turns of the
    ablations; late: ticks of the long walk; the others as the protocols are called."""

    walks: int = 14
    long_ticks: int = 32
    played: int = 16
    turns: int = 5
    returns: int = 3
    bumps: int = 24
    throws: int = 8
    pushes: int = 4
    prompts: int = 24
    events: int = 12
    pairs: int = 8
    late: int = 500
    few_walks: int = 8
    few_played: int = 8
    few_bumps: int = 16
    few_balls: int = 7
    ablated: int = 3


SHORT = Size()
FULL = Size(walks=40, played=48, turns=20, returns=12, bumps=200, throws=24, pushes=16,
            prompts=112, events=48, pairs=24, few_walks=14, few_played=16, few_bumps=40,
            few_balls=16, ablated=8)
"""What `gwm eval worlds` and `gwm eval worlds --full` take."""
