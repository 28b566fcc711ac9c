"""Turns a workflow as the editor saves it into the API form that the server queues.

It does what the editor's own `graphToPrompt` does: muted nodes vanish, bypassed nodes hand
their input of the same type on, reroutes and primitives are resolved, subgraphs are unfolded
("3:5" is node 5 inside subgraph node 3). Random text choices ("{a|b}" in prompts) are left as
they are written.
"""

from __future__ import annotations

from collections.abc import Iterator

from .errors import CommandError

MUTED, BYPASSED = 2, 4
NOTES = {"Note", "MarkdownNote"}
WIDGET_TYPES = {"INT", "FLOAT", "BOOLEAN", "STRING", "COMBO"}
SEEDS = {"seed", "noise_seed"}
UPLOADS = ("image_upload", "animated_image_upload", "video_upload", "audio_upload")
# Where a subgraph's own inputs and outputs stand in its links.
GRAPH_INPUT, GRAPH_OUTPUT = -10, -20


def is_prompt(data: object) -> bool:
    """Whether `data` already is in API form: {id: {"class_type", "inputs"}}."""
    return (
        isinstance(data, dict)
        and bool(data)
        and all(isinstance(node, dict) and "class_type" in node for node in data.values())
    )


def is_workflow(data: object) -> bool:
    """Whether `data` is a workflow as the editor saves it."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list)


def to_prompt(workflow: dict, object_info: dict) -> dict:
    """`workflow` in API form. `object_info` is the server's /object_info.

    Raises CommandError when it is no workflow or holds nodes that the server lacks.
    """
    if not is_workflow(workflow):
        raise CommandError('not a workflow: it needs a list "nodes" (or be in API form)')
    converter = _Converter(workflow, object_info)
    prompt = {path: converter.convert(path) for path in converter.order if converter.runs(path)}
    for node in prompt.values():  # links to what does not run are dropped, as the editor does
        node["inputs"] = {
            name: value
            for name, value in node["inputs"].items()
            if not _is_link(value) or value[0] in prompt
        }
    return prompt


def widget_values(node: dict, definition: dict) -> dict:
    """A node's widget values by name, its definition's defaults where it has none."""
    stored = node.get("widgets_values") or []
    if isinstance(stored, dict):
        return {
            name: stored.get(name, default)
            for name, default in _widgets(definition)
            if name is not None
        }
    values = {}
    for position, (name, default) in enumerate(_widgets(definition)):
        if name is not None:
            values[name] = stored[position] if position < len(stored) else default
    return values


def _widgets(definition: dict) -> Iterator[tuple[str | None, object]]:
    """(name, default) of each stored widget value; name None for those of the editor alone."""
    for section in ("required", "optional"):
        specs = definition.get("input", {}).get(section, {})
        ordered = definition.get("input_order", {}).get(section, list(specs))
        uploads = False
        for name in ordered:
            kind, options = _spec(specs[name])
            if not _is_widget(kind, options):
                continue
            yield name, _default(kind, options)
            control = options.get("control_after_generate")
            if control is None:
                control = kind == "INT" and name in SEEDS
            if control:
                yield None, "randomize"
                if _is_combo(kind):
                    yield None, ""
            uploads = uploads or any(options.get(key) for key in UPLOADS)
        if uploads:
            yield None, ""


def _spec(spec: list) -> tuple[object, dict]:
    return spec[0], (spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {})


def _is_combo(kind: object) -> bool:
    return isinstance(kind, list) or kind == "COMBO"


def _is_widget(kind: object, options: dict) -> bool:
    return (isinstance(kind, list) or kind in WIDGET_TYPES) and not options.get("forceInput")


def _default(kind: object, options: dict) -> object:
    if "default" in options:
        return options["default"]
    if _is_combo(kind):
        choices = kind if isinstance(kind, list) else options.get("options", [])
        return choices[0] if choices else None
    return {"INT": 0, "FLOAT": 0.0, "BOOLEAN": False}.get(kind, "")


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


class _Graph:
    """One level of a workflow: its nodes by id and where each link comes from and goes to."""

    def __init__(self, data: dict):
        self.nodes = {str(node["id"]): node for node in data.get("nodes", [])}
        self.links = {}
        for link in data.get("links") or []:
            if isinstance(link, dict):
                keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
                link = [link[key] for key in keys]
            self.links[link[0]] = tuple(link[1:5])
        self.outputs = data.get("outputs", [])

    def into_output(self, slot: int) -> tuple | None:
        """(node, slot) that feeds a subgraph's output."""
        for origin, origin_slot, target, target_slot in self.links.values():
            if target == GRAPH_OUTPUT and target_slot == slot:
                return str(origin), origin_slot
        return None


class _Converter:
    def __init__(self, workflow: dict, object_info: dict):
        self.info = object_info
        self.subgraphs = {
            graph["id"]: graph for graph in (workflow.get("definitions") or {}).get("subgraphs", [])
        }
        # By path ("7", or "3:5" inside a subgraph): the node and the graph it stands in.
        self.nodes: dict[str, tuple[dict, _Graph]] = {}
        self.order: list[str] = []
        self._enter(_Graph(workflow), "")
        missing = sorted(
            {node["type"] for path, (node, _) in self.nodes.items() if self._unknown(path)}
        )
        if missing:
            raise CommandError(f"the server has no node {', '.join(missing)}")

    def _enter(self, graph: _Graph, prefix: str) -> None:
        for node_id, node in graph.nodes.items():
            path = prefix + node_id
            self.nodes[path] = (node, graph)
            if node["type"] in self.subgraphs:
                if path.count(":") > 50:
                    raise CommandError("the workflow's subgraphs hold one another")
                self._enter(_Graph(self.subgraphs[node["type"]]), path + ":")
            else:
                self.order.append(path)

    def _unknown(self, path: str) -> bool:
        kind = self.nodes[path][0]["type"]
        return self.runs(path) and kind not in self.info and kind not in self.subgraphs

    def _virtual(self, node: dict) -> bool:
        return node["type"] in NOTES or node["type"] in ("Reroute", "PrimitiveNode")

    def runs(self, path: str) -> bool:
        """Whether a node becomes part of the prompt (an outer mode covers what is inside)."""
        parts = path.split(":")
        for length in range(1, len(parts) + 1):
            mode = self.nodes[":".join(parts[:length])][0].get("mode", 0)
            if mode in (MUTED, BYPASSED):
                return False
        return not self._virtual(self.nodes[path][0])

    def convert(self, path: str) -> dict:
        node, _ = self.nodes[path]
        definition = self.info[node["type"]]
        inputs = {
            # A bare list would read as a link.
            name: {"__value__": value} if isinstance(value, list) else value
            for name, value in widget_values(node, definition).items()
        }
        for slot, port in enumerate(node.get("inputs") or []):
            source = self._source(path, slot, port.get("type"))
            if source is not None:
                inputs[port["name"]] = source[1] if source[0] == "value" else list(source[1:])
        title = node.get("title") or definition.get("display_name") or node["type"]
        return {"inputs": inputs, "class_type": node["type"], "_meta": {"title": title}}

    def _source(self, path: str, slot: int, kind: str | None) -> tuple | None:
        """What feeds an input: ("link", node, slot), ("value", value) or None."""
        node, graph = self.nodes[path]
        ports = node.get("inputs") or []
        link_id = ports[slot].get("link") if slot < len(ports) else None
        if link_id is None or link_id not in graph.links:
            return None
        origin, origin_slot, *_ = graph.links[link_id]
        outer = path.rpartition(":")[0]
        if origin == GRAPH_INPUT:
            return self._source(outer, origin_slot, kind)
        return self._output(f"{outer}:{origin}" if outer else str(origin), origin_slot, kind)

    def _output(self, path: str, slot: int, kind: str | None) -> tuple | None:
        """What an output really gives, seen through bypasses, reroutes and subgraphs."""
        if path not in self.nodes:
            return None
        node, _ = self.nodes[path]
        if node.get("mode") == BYPASSED:
            port = self._bypass(node, slot, kind)
            return None if port is None else self._source(path, port, kind)
        if node["type"] in self.subgraphs and node.get("mode") != MUTED:
            inner = _Graph(self.subgraphs[node["type"]]).into_output(slot)
            return None if inner is None else self._output(f"{path}:{inner[0]}", inner[1], kind)
        if node["type"] == "Reroute":
            return self._source(path, 0, kind)
        if node["type"] == "PrimitiveNode":
            values = node.get("widgets_values") or [None]
            return ("value", values[0])
        return ("link", path, slot)

    @staticmethod
    def _bypass(node: dict, slot: int, kind: str | None) -> int | None:
        """The input that a bypassed node hands on through an output: the same place if the
        types agree, else the first input of the type."""
        types = [port.get("type") for port in node.get("inputs") or []]
        given = (node.get("outputs") or [{}] * (slot + 1))[slot].get("type")
        if kind in ("*", "", None):
            return slot if len(types) > slot else 0

        def fits(one: str | None, other: str | None) -> bool:
            return one == other or "*" in (one, other)

        if slot < len(types) and fits(types[slot], given) and fits(types[slot], kind):
            return slot
        if kind in types:
            return types.index(kind)
        return next((i for i, t in enumerate(types) if fits(t, given) and fits(t, kind)), None)
