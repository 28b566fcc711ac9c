"""A model and its understanding of words, told to a person."""

from __future__ import annotations


def about(model) -> str:
    """What a model is, in a few lines: clock, picture, sound, controls, imaginer.

    Args:
        model: anything with ``name``, ``fingerprint``, ``embodiment`` and ``metadata``.
    """
    embodiment = model.embodiment
    lines = [f"{model.name} ({embodiment.name}), fingerprint {model.fingerprint[:12]}"]
    if "motion" in embodiment.extra:
        return "\n".join([*lines, *_of_faces(embodiment), *_stated(model)])
    views = ", ".join(f"{v.name} {v.width}x{v.height}" for v in embodiment.views)
    sound = f"; sound at {embodiment.sample_rate} Hz" if embodiment.sample_rate else ""
    lines.append(
        f"{embodiment.tick_rate:g} ticks a second, {embodiment.fps:g} frames a second; "
        f"views: {views}{sound}"
    )
    for spec in embodiment.controls:
        lines.append(f"  {_control(spec)}")
    return "\n".join([*lines, *_stated(model)])


def _stated(model) -> list[str]:
    titles = (("Imaginer", "imaginer"), ("Licence", "licence"))
    return [f"{title}: {model.metadata[key]}" for title, key in titles if model.metadata.get(key)]


def _of_faces(embodiment) -> list[str]:
    channels, ahead = embodiment.extra["motion"], embodiment.extra.get("look_ahead", 0)
    return [
        f"{embodiment.tick_rate:g} frames a second; hears two voices, {embodiment.sample_rate} Hz, "
        f"{1000 * ahead / embodiment.tick_rate:.0f} ms ahead",
        f"moves {len(channels)} channels: {', '.join(channels)}",
    ]


def _control(spec) -> str:
    if spec.kind == "button":
        return f"{spec.text_name}: {spec.label}"
    parts = ",".join(spec.components) or "value"
    unit = f" {spec.unit} a tick" if spec.unit else " a tick"
    return f"{spec.text_name}({parts}): {spec.label}, {spec.low:g} to {spec.high:g}{unit}"


def understood_line(understood, ignored) -> str:
    """ "understood: dusk, fog; not: dragon" - what a text did and did not say to the model."""
    line = f"understood: {', '.join(understood) or 'nothing, the model is free to choose'}"
    return f"{line}; not: {', '.join(ignored)}" if ignored else line
