"""Where the service may answer."""

from __future__ import annotations

import ipaddress

from ..errors import GWMError, RoboticsError


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_host(host: str, key: str, wrong: type[GWMError] = RoboticsError) -> None:
    """``wrong`` where others could reach the service without a key."""
    if not is_loopback(host) and not key:
        raise wrong(f"--host {host}: other machines could use this service; beyond loopback it is "
                    "accepted with --key KEY (or GWM_SERVE_KEY) alone, which clients have to send")
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise wrong("--key: a character that no header carries; printable ASCII without spaces is "
                    "accepted")
