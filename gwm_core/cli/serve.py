"""Offer a table model over HTTP: to Runway's public robotics client, unmodified, and to our own.

    RunwayRobotics(api_key="local", base_url="http://127.0.0.1:8009")   # runway-robotics-sdk 0.1.0
    TableClient("http://127.0.0.1:8009")                                # gwm_core.serve.client

It answers this machine alone. With --key it asks clients for that key (as their api_key), and only
then --host may be an address that other machines reach. Nothing is encrypted: over a network that
others use, put it behind a proxy with TLS.
"""

from __future__ import annotations

import argparse
import os
import threading

from .errors import FAILED, CommandError

KEY = "GWM_SERVE_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="gwm-tabletop", metavar="NAME",
                        help="name or path of a table model's checkpoint (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                        help="address to answer at (default: %(default)s, this machine alone)")
    parser.add_argument("--port", type=int, metavar="N", help="port (default: 8009; 0: a free one)")
    parser.add_argument("--key", metavar="KEY",
                        help=f"what clients have to send; better in the variable {KEY}, as other "
                             "users of this machine see command lines")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from ..serve.address import check_host

    key = os.environ.get(KEY, "") if args.key is None else args.key
    check_host(args.host, key)
    from ..robotics.eyes import SHIPPED, load_eyes
    from ..robotics.loading import load_table
    from ..robotics.probes import TaskProbe
    from ..serve.server import PORT, Server
    from .server import stop_on_terminate

    stop_on_terminate()
    model = load_table(args.model)
    probe = TaskProbe(load_eyes()) if SHIPPED.exists() else None
    port = PORT if args.port is None else args.port
    server = Server(model, args.host, port, key, probe)
    print(f"gwm: starting {model.name}" + ("" if probe else ", which tells no success: the package "
                                           f"lacks {SHIPPED.name}"), flush=True)
    try:
        server.start()
        print(f"gwm: {model.name} answers at {server.url}; Ctrl-C stops it", flush=True)
        while server.alive():
            threading.Event().wait(0.5)
        raise CommandError(f"the service ended by itself: {server.error}", FAILED)
    except KeyboardInterrupt:
        print("gwm: stopping", flush=True)
        return 0
    finally:
        server.stop()
