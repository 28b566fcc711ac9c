"""Entry point of the command `gwm`.

Subcommands are imported only when asked for, so that `gwm --help` is quick and
`gwm run` works where, say, the simulator's packages are not installed.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from .errors import CommandError

COMMANDS = {
    "studio": "prepare and start ComfyUI with this pack and open the first example",
    "run": "run a workflow without a browser and print where its outputs are",
    "data": "make training data with a simulator",
    "train": "train a checkpoint",
    "eval": "measure the quality of a checkpoint on held-out data",
    "bench": "measure speed and memory",
    "serve": "offer a robot's table over HTTP, to Runway's public client too",
    "convert": "turn a published pickle of weights into a safetensors file",
}
MODULES = {"convert": "convert_weights"}  # where they are not named like the command
INTERNAL = ("worker",)  # started by the library itself, so not listed
# Packages of an extra, so that a missing one can name the command that installs it.
EXTRA_OF = {
    "gymnasium": "robotics",
    "h5py": "robotics",
    "mujoco": "train",
    "pyarrow": "robotics",
    "aiohttp": "studio",
    "torchaudio": "studio",
    "torchvision": "studio",
    "av": "studio",
    "playwright": "test",
}
INTERRUPTED = 130


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = ["usage: gwm <command> [options]", "", "commands:"]
    lines += [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    lines += ["", "`gwm <command> --help` lists the options of a command."]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run `gwm` with `argv` (default: the process's own); returns the exit status.

    0 success, 1 the work failed, 2 wrong arguments or input, 3 no host could be
    prepared, started or reached, 130 stopped by Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(version("gwm"))
        except PackageNotFoundError:
            print("not installed (running from the source folder)")
        return 0
    name = argv[0]
    if name not in COMMANDS and name not in INTERNAL:
        _complain(f"unknown command {name!r}; known commands: {', '.join(COMMANDS)}")
        return 2
    from ..errors import GWMError

    try:
        module = importlib.import_module(f".{MODULES.get(name, name)}", __package__)
        parser = argparse.ArgumentParser(prog=f"gwm {name}", description=module.__doc__)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(parser)
        return module.run(parser.parse_args(argv[1:]))
    except CommandError as error:
        _complain(str(error))
        return error.status
    except GWMError as error:
        _complain(str(error))
        return 2
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in EXTRA_OF:
            raise
        _complain(
            f"`gwm {name}` needs the package {missing}, which is not installed; "
            f'install it with: pip install ".[{EXTRA_OF[missing]}]"'
        )
        return 2
    except KeyboardInterrupt:
        _complain("stopped")
        return INTERRUPTED
    except BrokenPipeError:
        return 1


def _complain(message: str) -> None:
    print(f"gwm: {message}", file=sys.stderr)
