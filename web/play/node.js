// Puts a player into every Play World node: its own widget comes last and is never saved; the
// walk's widget is hidden, but saved and queued as any other.
import { api, app, inVueNode } from "./host.js";
import { Player } from "./player.js";
import { placeOf } from "./safety.js";
import { Stage } from "./stage.js";

const NODE = "GWMPlayWorld";
const WALK = "walk";
const WIDGET = "player";
const LEAST_HEIGHT = 300;
const SIZE = [480, 660];

let told = false;

// The first walk on a machine has something to compile: the server may begin while one looks round.
function tellServer() {
  if (told) return;
  told = true;
  api.fetchApi("/gwm/live/soon", { method: "POST" }).catch(() => {});
}

export function addPlayer(node) {
  if (node.comfyClass !== NODE || node.widgets?.some(({ name }) => name === WIDGET)) return;
  const walk = node.widgets?.find(({ name }) => name === WALK);
  if (!walk) return;
  hide(node, walk);
  tellServer();
  const { widget, place } = addPlace(node, WIDGET, "gwm_player", LEAST_HEIGHT, SIZE);
  widget.player = null;
  live(node, walk, widget, place);
}

// A place in the node for elements of our own: {widget, place}; it is never saved.
export function addPlace(node, name, type, leastHeight, size) {
  const place = document.createElement("div");
  place.className = "gwm-play-place widget-expands";
  Object.assign(place.style, {
    display: "flex",
    flex: "1",
    minHeight: `${leastHeight}px`,
    minWidth: "0",
  });
  const widget = node.addDOMWidget(name, type, place, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => leastHeight,
  });
  widget.serialize = false;
  node.setSize?.([Math.max(node.size[0], size[0]), Math.max(node.size[1], size[1])]);
  return { widget, place };
}

// A player lives as long as its node stands in a graph; a node that comes back gets a new one.
function live(node, walk, widget, place) {
  const stage = new Stage(place);
  const begin = () => {
    if (widget.player) return;
    widget.player = new Player(node, walk, stage);
    stage.enter(widget.player.root, placeOf(node).key);
  };
  const end = () => {
    widget.player?.dispose();
    widget.player = null;
    stage.leave();
  };
  after(node, "onAdded", begin);
  after(node, "onRemoved", end);
  after(node, "onConfigure", () => widget.player?.sync());
  after(node, "onExecuted", (output) => widget.player?.executed(output));
  after(walk, "callback", () => widget.player?.sync());
  after(walk, "beforeQueued", () => widget.player?.flush());
  // The player shows its walk itself: the host's previews of a run need no place below it.
  node.onDrawBackground = () => {};
  forwardWheel(place);
  if (node.graph) begin();
}

// Both renderers of both frontends: the widget, its row and its socket.
function hide(node, walk) {
  walk.hidden = true;
  walk.options ??= {};
  walk.options.hidden = true;
  walk.computeSize = () => [0, -4]; // no gap where a row was
}

// The wheel zooms the graph, also over the player, unless the world has the keyboard.
export function forwardWheel(place) {
  const focused = () => place.contains(place.ownerDocument.activeElement);
  place.addEventListener("focusin", () => place.setAttribute("data-capture-wheel", "true"));
  place.addEventListener("focusout", ({ relatedTarget }) => {
    if (!place.contains(relatedTarget)) place.removeAttribute("data-capture-wheel");
  });
  place.addEventListener(
    "wheel",
    (event) => {
      if (focused() && !event.ctrlKey) {
        event.stopPropagation();
      } else if (!inVueNode(place)) {
        event.preventDefault();
        event.stopPropagation();
        app.canvas?.processMouseWheel?.(event);
      }
    },
    { passive: false },
  );
  // The middle button pans, as everywhere on the graph.
  const pan = (type, method) =>
    place.addEventListener(type, (event) => {
      const middle = event.button === 1 || event.buttons & 4;
      if (middle && !inVueNode(place)) app.canvas?.[method]?.(event);
    });
  pan("pointerdown", "processMouseDown");
  pan("pointermove", "processMouseMove");
  pan("pointerup", "processMouseUp");
}

// Calls `then` behind a method of this one object, without replacing what it does.
export function after(object, name, then) {
  const before = object[name];
  object[name] = function (...values) {
    const result = before?.apply(this, values);
    then(...values);
    return result;
  };
}
