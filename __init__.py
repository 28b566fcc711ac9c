"""GWM: world models as ComfyUI nodes."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """The host's entry point: the pack's list of nodes."""
    from .nodes import GWMExtension

    return GWMExtension()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
