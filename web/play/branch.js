// A second Play World beside the first: the same world, the walk up to the tick shown.
import { app, asOneStep, redraw } from "./host.js";

const GAP = 40;

// Gives the new node, or null where the host cannot make one.
export function branch(node, text) {
  const { graph } = node;
  let made = null;
  asOneStep(() => {
    const copy = node.clone();
    if (!copy) return;
    setWalk(copy, text);
    copy.title = numbered(graph, node.title);
    copy.pos = [node.pos[0] + node.size[0] + GAP, node.pos[1]];
    keepClear(graph, copy);
    graph.add(copy);
    setWalk(copy, text); // a frontend may read values anew when a node joins a graph
    connect(graph, node, copy);
    made = copy;
  });
  if (!made) return null;
  // After the click that asked for it, which the host takes as choosing the first node.
  setTimeout(() => {
    app.canvas?.selectNodes?.([made]);
    redraw();
  });
  return made;
}

function setWalk(node, text) {
  const widget = node.widgets?.find(({ name }) => name === "walk");
  if (!widget) return;
  widget.value = text;
  widget.callback?.(text);
}

// The world, and whatever else is wired into the node, comes from the same places.
function connect(graph, from, to) {
  from.inputs?.forEach((input, index) => {
    if (input.link == null) return;
    const link = graph.links.get?.(input.link) ?? graph.links[input.link];
    if (!link) return;
    const origin = graph.getNodeById(link.origin_id);
    if (origin) {
      origin.connect(link.origin_slot, to, index);
    } else {
      // The input node of a subgraph is none of its nodes.
      graph.inputs?.[link.origin_slot]?.connect(to.inputs[index], to);
    }
  });
}

// "Play World", "Play World 2", "Play World 3", …
function numbered(graph, title = "Play World") {
  const base = title.replace(/ \d+$/, "");
  const taken = new Set(graph.nodes.map((node) => node.title));
  let number = 2;
  while (taken.has(`${base} ${number}`)) number++;
  return `${base} ${number}`;
}

// Further down while another Play World stands there.
function keepClear(graph, node) {
  const others = graph.nodes.filter((one) => one.type === node.type);
  const meets = (one) =>
    Math.abs(one.pos[0] - node.pos[0]) < 20 && Math.abs(one.pos[1] - node.pos[1]) < 20;
  while (others.some(meets)) node.pos = [node.pos[0], node.pos[1] + node.size[1] + GAP + 30];
}
