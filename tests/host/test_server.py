"""The pack loads in a real ComfyUI."""


def test_pack_loads_without_errors(comfy):
    log = comfy.log_text()
    assert "IMPORT FAILED" not in log
    ours = [name for name in comfy.client.object_info() if name.startswith("GWM")]
    assert len(ours) >= 10, ours
