"""Turn a published pickle (.pt, .pth, .ckpt) into a safetensors file, without running its code.

What it is is told from its tensors: Waypoint's and Wan's decoders, Self Forcing, Causal Forcing.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="the published file")
    parser.add_argument("target", nargs="?", help="the new file (default: beside it, with the "
                        "ending .safetensors)")
    parser.add_argument("--variant", default="", help="which published variant it is, where shapes "
                        "do not tell (a wrong one lists them)")
    parser.add_argument("--dtype", default="bf16", help="of its weights: bf16, fp16, fp32 or keep "
                        "(default: bf16)")


def run(args: argparse.Namespace) -> int:
    from ..backbones.convert import convert

    print(convert(args.source, args.target, args.variant, args.dtype, print).line())
    return 0
