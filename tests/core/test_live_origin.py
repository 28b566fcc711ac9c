"""Who may open a live socket."""

from __future__ import annotations

import pytest

from gwm_core.live.origin import is_near, refusal


@pytest.mark.parametrize("headers, remote, proxies, allowed, well", [
    ({"Host": "a:8188"}, "10.0.0.9", (), None, True),
    ({"Host": "a:8188", "Origin": "http://a:8188"}, "10.0.0.9", (), None, True),
    ({"Host": "a", "Origin": "http://a"}, "10.0.0.9", (), None, True),
    ({"Host": "a", "Origin": "https://a"}, "10.0.0.9", (), None, True),
    ({"Host": "a:80", "Origin": "http://a"}, "10.0.0.9", (), None, True),
    ({"Host": "a", "Origin": "https://a:443"}, "10.0.0.9", (), None, True),
    ({"Host": "[::1]:8188", "Origin": "http://[::1]:8188"}, "::1", (), None, True),
    ({"Host": "A:8188", "Origin": "http://a:8188"}, "::1", (), None, True),
    ({"Host": "a:80", "Origin": "https://a"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://a:8189"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://b:8188"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://a.b:8188"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "null"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "file://"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://["}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://a:99999"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "ftp://a:8188"}, "10.0.0.9", (), None, False),
    ({"Origin": "http://a"}, "10.0.0.9", (), None, False),
    ({"Host": "", "Origin": "http://a"}, "10.0.0.9", (), None, False),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out"}, "10.0.0.1",
     ("10.0.0.1",), None, True),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out, in"}, "10.0.0.1",
     ("10.0.0.2", "10.0.0.1"), None, True),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out"}, "10.0.0.1",
     (), None, False),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out"}, "10.0.0.9",
     ("10.0.0.1",), None, False),
    ({"Host": "in:8188", "Origin": "https://evil", "X-Forwarded-Host": "out"}, "10.0.0.1",
     ("10.0.0.1",), None, False),
    ({"Host": "a", "Origin": "http://b"}, "10.0.0.9", (), "*", True),
    ({"Host": "a", "Origin": "http://b"}, "10.0.0.9", (), "http://b", True),
    ({"Host": "a", "Origin": "http://c"}, "10.0.0.9", (), "http://b", False),
])
def test_origins(headers, remote, proxies, allowed, well):
    why = refusal(headers, remote, proxies, allowed)
    assert (why is None) == well, why
    if headers.get("X-Forwarded-Host") == "out" and not proxies:
        assert "GWM_TRUSTED_PROXY=10.0.0.1" in why


@pytest.mark.parametrize("headers, remote, near", [
    ({}, "127.0.0.1", True), ({}, "::1", True), ({}, "10.0.0.9", False), ({}, None, False),
    ({}, "a name", False), ({"X-Forwarded-For": "10.0.0.9"}, "127.0.0.1", False),
    ({"Forwarded": "for=10.0.0.9"}, "127.0.0.1", False),
])
def test_near_pages(headers, remote, near):
    assert is_near(headers, remote) is near


def test_what_a_host_holds_is_no_garbage_while_worlds_are_played():
    import gc

    from gwm_core.live.calm import Calm

    before, calm = gc.get_freeze_count(), Calm()
    calm.begin()
    calm.begin()
    assert gc.get_freeze_count() > before + 1000
    calm.end()
    calm.end()
    assert gc.get_freeze_count() == 0
