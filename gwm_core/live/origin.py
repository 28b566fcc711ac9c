"""Who may open a live socket: pages of this server alone, also behind a proxy that a user names.

Browsers let any website open sockets to any server; they only say from where, as Origin.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def refusal(
    headers: Mapping[str, str],
    remote: str | None,
    proxies: Collection[str] = (),
    allowed: str | None = None,
) -> str | None:
    """Why a socket is refused, or None.

    headers: of its request, by their usual names. remote: address that it comes from. proxies:
    addresses whose X-Forwarded-Host is believed. allowed: one more origin, "*" for any.
    """
    origin = headers.get("Origin")
    if origin is None or allowed == "*" or (allowed and origin == allowed):
        return None  # no browser, or one that the host was told to let in
    hosts = [headers.get("Host", "")]
    if remote in proxies and headers.get("X-Forwarded-Host"):
        hosts.append(headers["X-Forwarded-Host"].split(",")[0].strip())
    if any(_same(origin, host) for host in hosts if host):
        return None
    hint = ""
    if headers.get("X-Forwarded-Host") and remote not in proxies:
        hint = f"; if {remote} is your proxy, start ComfyUI with GWM_TRUSTED_PROXY={remote}"
    return f"origin {origin[:100]!r} is not this server ({' or '.join(hosts)}){hint}"


def _same(origin: str, host: str) -> bool:
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        ports = (page.port, server.port)
    except ValueError:
        return False
    if not page.hostname or page.hostname != server.hostname or page.scheme not in PORTS:
        return False
    return len({port or PORTS[page.scheme] for port in ports}) == 1


def is_near(headers: Mapping[str, str], remote: str | None) -> bool:
    """Whether the page is on this machine: a loopback address, and no proxy in between."""
    forwarded = headers.get("X-Forwarded-For") or headers.get("Forwarded")
    try:
        return bool(remote) and not forwarded and ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False
