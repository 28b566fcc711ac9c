"""Offer a model over HTTP: a robot's table, or with --avatars live avatars.

The table is for Runway's public robotics client, unmodified, and for our own:

    RunwayRobotics(api_key="local", base_url="http://127.0.0.1:8009")   # runway-robotics-sdk 0.1.0
    TableClient("http://127.0.0.1:8009")                                # gwm_core.serve.client

Live avatars have a page to talk to, http://127.0.0.1:8010/avatar, and a WebSocket for pages and
programs of your own, /v1/avatar (gwm_core.serve.avatar_calls says what it speaks):

    gwm serve --avatars --portrait anna.png --portrait robot.jpg

It answers this machine alone. With --key it asks clients for that key (as their api_key, or after
the page's address: /avatar#key=KEY), and only then --host may be an address that other machines
reach. Nothing is encrypted: over a network that others use, put it behind a proxy with TLS, without
which browsers give other machines no microphone either.
"""

from __future__ import annotations

import argparse
import os
import threading
from typing import TYPE_CHECKING

from .errors import FAILED, CommandError

if TYPE_CHECKING:
    from ..serve.service import Service

KEY = "GWM_SERVE_KEY"
TABLE, FACES = "gwm-tabletop", "gwm-faces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--avatars", action="store_true", help="serve live avatars, not a table")
    parser.add_argument("--portrait", action="append", default=[], metavar="FILE",
                        help="with --avatars: a picture that clients may open under the file's "
                             "name; may be repeated (they may also send one of their own)")
    parser.add_argument("--model", metavar="NAME", help="name or path of the checkpoint "
                        f"(default: {TABLE}, with --avatars {FACES})")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                        help="address to answer at (default: %(default)s, this machine alone)")
    parser.add_argument("--port", type=int, metavar="N",
                        help="port (default: 8009, with --avatars 8010; 0: a free one)")
    parser.add_argument("--key", metavar="KEY",
                        help=f"what clients have to send; better in the variable {KEY}, as other "
                             "users of this machine see command lines")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from ..serve.address import check_host
    from .server import stop_on_terminate

    key = os.environ.get(KEY, "") if args.key is None else args.key
    check_host(args.host, key)
    if args.portrait and not args.avatars:
        raise CommandError("--portrait: only --avatars has portraits")
    stop_on_terminate()
    server, name, about = (_avatars if args.avatars else _table)(args, key)
    print(f"gwm: starting {name}{about}", flush=True)
    try:
        server.start()
        print(f"gwm: {name} answers at {server.url}{'/avatar' if args.avatars else ''}; "
              "Ctrl-C stops it", flush=True)
        while server.alive():
            threading.Event().wait(0.5)
        raise CommandError(f"the service ended by itself: {server.error}", FAILED)
    except KeyboardInterrupt:
        print("gwm: stopping", flush=True)
        return 0
    finally:
        server.stop()


def _table(args: argparse.Namespace, key: str) -> tuple[Service, str, str]:
    """The service, its model's name, and what else is to say."""
    from ..robotics.eyes import SHIPPED, load_eyes
    from ..robotics.loading import load_table
    from ..robotics.probes import TaskProbe
    from ..serve.server import PORT, Server

    model = load_table(args.model or TABLE)
    probe = TaskProbe(load_eyes()) if SHIPPED.exists() else None
    server = Server(model, args.host, PORT if args.port is None else args.port, key, probe)
    return server, model.name, "" if probe else (
        f", which tells no success: the package lacks {SHIPPED.name}")


def _avatars(args: argparse.Namespace, key: str) -> tuple[Service, str, str]:
    """As ``_table``."""
    from ..avatars.faces_model import load_faces
    from ..serve.avatar_server import PORT, AvatarServer, portraits_in

    model, portraits = load_faces(args.model or FACES), portraits_in(args.portrait)
    for name, portrait in portraits.items():
        print(f"gwm: portrait {name!r}: {portrait.message}", flush=True)
    server = AvatarServer(model, portraits, args.host, PORT if args.port is None else args.port,
                          key)
    return server, model.name, ""
