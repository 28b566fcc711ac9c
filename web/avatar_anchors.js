// The portrait in a Character node, with dots on eyes, mouth and chin that can be dragged. What a
// person placed is written into the node's own `anchors` text; the rest is where the run found it.
import { api, app, redraw, undoStep, viewURL } from "./play/host.js";

const NODE = "GWMCharacter";
const EXAMPLE = "GWMExampleAvatar";
const WIDGET = "gwm_anchors";
const TEXT = "anchors";
const LEAST_HEIGHT = 330;
const SIZE = [340, 560];
const LOOK_MS = 700; // how often the picture that is wired in is looked at
const STEP = 0.004; // of the picture, by an arrow key
const LABELS = {
  eye_left: "left eye",
  eye_right: "right eye",
  mouth_left: "left corner of the mouth",
  mouth_right: "right corner of the mouth",
  mouth_top: "middle of the upper lip",
  chin: "chin",
};
// A face in the middle, in face heights around its own middle: until a run has found one.
const MIDDLE = {
  eye_left: [-0.175, -0.07],
  eye_right: [0.175, -0.07],
  mouth_left: [-0.13, 0.25],
  mouth_right: [0.13, 0.25],
  mouth_top: [0, 0.225],
  chin: [0, 0.5],
};
const HINT = "Drag the dots onto eyes, mouth and chin; double-click one to let it be found again.";

export function addAnchors(node) {
  if (node.comfyClass !== NODE || node.widgets?.some(({ name }) => name === WIDGET)) return;
  const text = node.widgets?.find(({ name }) => name === TEXT);
  if (!text) return;
  hide(text);
  const editor = new Anchors(node, text);
  const widget = node.addDOMWidget(WIDGET, WIDGET, editor.root, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => LEAST_HEIGHT,
  });
  widget.serialize = false;
  widget.anchors = editor;
  node.setSize?.([Math.max(node.size[0], SIZE[0]), Math.max(node.size[1], SIZE[1])]);
  after(node, "onAdded", () => editor.begin());
  after(node, "onRemoved", () => editor.end());
  after(node, "onConfigure", () => editor.show());
  after(node, "onConnectionsChange", () => editor.show());
  after(node, "onExecuted", (output) => editor.executed(output));
  after(text, "callback", () => editor.show());
  if (node.graph) editor.begin();
}

class Anchors {
  constructor(node, text) {
    this.node = node;
    this.text = text;
    this.found = null; // what the last run told: {anchors, found, message}
    this.ranWith = null; // the picture that was wired in then
    this.dragged = null;
    this.timer = 0;
    this.build();
  }

  begin() {
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      const changed = this.picture() !== this.image.dataset.from;
      if (changed && !document.hidden && !this.dragged) this.show();
    }, LOOK_MS);
    this.watcher ??= new ResizeObserver(() => this.layout());
    this.watcher.observe(this.frame);
    this.show();
  }

  end() {
    clearInterval(this.timer);
    this.watcher?.disconnect();
  }

  build() {
    const make = (tag, style, parent) => {
      const element = document.createElement(tag);
      Object.assign(element.style, style);
      parent?.append(element);
      return element;
    };
    this.root = make("div", {
      display: "flex", flexDirection: "column", flex: "1", gap: "4px", minWidth: "0",
      minHeight: `${LEAST_HEIGHT}px`, font: "11px sans-serif",
      color: "var(--descrip-text, #999)",
    });
    this.root.className = "gwm-anchors widget-expands"; // Nodes 2.0: takes the height that is left
    this.frame = make("div", {
      position: "relative", flex: "1", minHeight: "0", overflow: "hidden", borderRadius: "4px",
      background: "var(--comfy-input-bg, #222)",
    }, this.root);
    this.stage = make("div", { position: "absolute" }, this.frame);
    this.image = make("img", {
      width: "100%", height: "100%", display: "block", userSelect: "none", pointerEvents: "none",
    }, this.stage);
    this.image.alt = "";
    this.image.draggable = false;
    this.image.onload = () => this.layout();
    this.image.onerror = () => this.empty();
    this.dots = Object.fromEntries(Object.keys(LABELS).map((name) => [name, this.dot(name, make)]));
    // As high with all it can hold: the portrait must not jump under the pointer.
    const foot = make("div", {
      display: "flex", gap: "6px", alignItems: "center", height: "44px", flex: "none",
    }, this.root);
    this.line = make("div", {
      flex: "1", minWidth: "0", lineHeight: "14px", maxHeight: "42px", overflow: "hidden",
      userSelect: "text",
    }, foot);
    this.line.setAttribute("role", "status");
    this.reset = make("button", {
      font: "inherit", cursor: "pointer", padding: "3px 8px", flex: "none", borderRadius: "4px",
      color: "var(--input-text, #ddd)", background: "var(--comfy-input-bg, #222)",
      border: "1px solid var(--border-color, #555)",
    }, foot);
    this.reset.type = "button";
    this.reset.textContent = "Find again";
    this.reset.title = "Forget all placed dots; the next run looks for the face itself";
    this.reset.onclick = () => this.write({});
    // The graph must not be dragged or zoomed by what is meant for a dot.
    for (const type of ["pointerdown", "pointermove", "pointerup", "dblclick", "keydown"]) {
      this.root.addEventListener(type, (event) => {
        if (event.target.closest?.("button")) event.stopPropagation();
      });
    }
    this.root.addEventListener("wheel", (event) => {
      event.preventDefault();
      event.stopPropagation();
      app.canvas?.processMouseWheel?.(event);
    }, { passive: false });
  }

  dot(name, make) {
    const dot = make("button", {
      position: "absolute", width: "12px", height: "12px", margin: "-6px 0 0 -6px", padding: "0",
      borderRadius: "50%", cursor: "grab", touchAction: "none", boxSizing: "border-box",
      border: "1.5px solid #111", boxShadow: "0 0 0 1px #fff",
    }, this.stage);
    dot.type = "button";
    dot.dataset.anchor = name;
    dot.title = LABELS[name];
    dot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      dot.focus();
      dot.setPointerCapture(event.pointerId);
      dot.style.cursor = "grabbing";
      // A dot keeps its distance from the pointer: a click alone moves nothing.
      const [x, y] = this.share(event);
      const [from, down] = this.places()[name];
      this.dragged = { name, off: [from - x, down - y], to: null };
    });
    dot.addEventListener("pointermove", (event) => {
      if (this.dragged?.name !== name) return;
      const [x, y] = this.share(event);
      const { off } = this.dragged;
      this.dragged.to = [clamp(x + off[0]), clamp(y + off[1])];
      this.put(name, this.dragged.to);
    });
    const drop = () => {
      if (this.dragged?.name !== name) return;
      const { to } = this.dragged;
      this.dragged = null;
      dot.style.cursor = "grab";
      if (to) this.write({ ...this.placed(), [name]: to });
      else this.show();
    };
    dot.addEventListener("pointerup", drop);
    dot.addEventListener("pointercancel", drop);
    dot.addEventListener("lostpointercapture", drop);
    dot.addEventListener("dblclick", () => this.forget(name));
    dot.addEventListener("keydown", (event) => this.key(event, name));
    return dot;
  }

  key(event, name) {
    const moves = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    };
    const move = moves[event.key];
    if (move) {
      const step = STEP * (event.shiftKey ? 5 : 1);
      const [x, y] = this.places()[name];
      const to = [clamp(x + move[0] * step), clamp(y + move[1] * step)];
      this.write({ ...this.placed(), [name]: to });
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.forget(name);
    } else {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  forget(name) {
    const placed = this.placed();
    delete placed[name];
    this.write(placed);
  }

  // ---------------------------------------------------------------- what is where

  // What a person placed, as shares of the picture; {} where the text is none or wrong.
  placed() {
    try {
      const data = JSON.parse(String(this.text.value || "{}"));
      const entries = Object.entries(data).filter(
        ([name, place]) => name in LABELS && Array.isArray(place) && place.length === 2
          && place.every(Number.isFinite),
      );
      return Object.fromEntries(entries);
    } catch {
      return {};
    }
  }

  write(placed) {
    const rounded = Object.fromEntries(
      Object.keys(LABELS).filter((name) => name in placed).map(
        (name) => [name, placed[name].map((share) => Math.round(share * 1e4) / 1e4)],
      ),
    );
    this.text.value = Object.keys(rounded).length ? JSON.stringify(rounded) : "";
    this.text.callback?.(this.text.value);
    this.show();
    undoStep();
    redraw();
  }

  places() {
    const wide = this.image.naturalWidth || 1;
    const high = this.image.naturalHeight || 1;
    const tall = Math.min(0.62 * high, 0.8 * wide);
    const middle = Object.fromEntries(Object.entries(MIDDLE).map(
      ([name, [x, y]]) => [name, [0.5 + (x * tall) / wide, 0.47 + (y * tall) / high]],
    ));
    return { ...middle, ...(this.found?.anchors ?? {}), ...this.placed() };
  }

  // Where in the picture a pointer is; the same at every zoom of the graph.
  share(event) {
    const box = this.stage.getBoundingClientRect();
    return [
      (event.clientX - box.left) / Math.max(1, box.width),
      (event.clientY - box.top) / Math.max(1, box.height),
    ];
  }

  // ---------------------------------------------------------------- what is shown

  executed(output) {
    const told = output?.gwm_character?.[0];
    const file = output?.gwm_portrait?.[0];
    if (!told || !file) return;
    this.found = told;
    this.ranWith = this.wired();
    this.url = viewURL(file);
    this.show();
  }

  // The picture that is wired in, where it can be told before a run.
  wired() {
    const slot = this.node.inputs?.findIndex(({ name }) => name === "image") ?? -1;
    const source = slot < 0 ? null : this.node.getInputNode?.(slot);
    if (!source) return "";
    if (source.comfyClass === "LoadImage") {
      const value = source.widgets?.find(({ name }) => name === "image")?.value;
      if (typeof value === "string" && value) return inputURL(value);
    }
    if (source.comfyClass === EXAMPLE) {
      const name = source.widgets?.find((widget) => widget.name === "portrait")?.value;
      return name ? exampleURL(String(name)) : "";
    }
    return source.imgs?.[0]?.src ?? "";
  }

  picture() {
    const wired = this.wired();
    if (this.found && (wired === this.ranWith || !wired)) return this.url;
    return wired;
  }

  show() {
    const wired = this.wired();
    if (this.found && wired && wired !== this.ranWith) this.found = null;
    const url = this.picture();
    if (this.image.dataset.from !== url) {
      this.image.dataset.from = url;
      if (url) this.image.src = url;
    }
    if (!url) return this.empty();
    this.layout();
  }

  empty() {
    this.stage.style.display = "none";
    this.reset.style.visibility = "hidden";
    this.say("Wire in a portrait and press Run: it is shown here with the points of its face.", "");
  }

  layout() {
    const { naturalWidth: wide, naturalHeight: high } = this.image;
    if (!this.image.dataset.from || !wide) return;
    const scale = Math.min(this.frame.clientWidth / wide, this.frame.clientHeight / high);
    Object.assign(this.stage.style, {
      display: "block",
      width: `${wide * scale}px`,
      height: `${high * scale}px`,
      left: `${(this.frame.clientWidth - wide * scale) / 2}px`,
      top: `${(this.frame.clientHeight - high * scale) / 2}px`,
    });
    const placed = this.placed();
    const places = this.places();
    for (const [name, dot] of Object.entries(this.dots)) {
      if (this.dragged?.name !== name) this.put(name, places[name]);
      const known = name in placed ? "placed" : this.found?.found ? "found" : "assumed";
      dot.style.background = { placed: "#ffb347", found: "#5adcff", assumed: "#8a8f98" }[known];
      dot.style.opacity = known === "assumed" ? "0.75" : "1";
      dot.setAttribute("aria-label", `${LABELS[name]}, ${known}; arrow keys move it`);
    }
    this.reset.style.visibility = Object.keys(placed).length ? "visible" : "hidden";
    const message = this.found?.message ?? "";
    this.say(message ? `${capital(message)}. ${HINT}` : HINT, message);
  }

  put(name, [x, y]) {
    Object.assign(this.dots[name].style, { left: `${x * 100}%`, top: `${y * 100}%` });
  }

  say(text, message) {
    this.line.textContent = text;
    this.line.title = message || text;
  }
}

// A file of the input folder as Load Image names it: "faces/anna.png" or "anna.png [output]".
function inputURL(value) {
  const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value);
  const cut = path.lastIndexOf("/");
  return viewURL({
    filename: path.slice(cut + 1), subfolder: cut < 0 ? "" : path.slice(0, cut),
    type: type ?? "input",
  });
}

// A portrait of Example Portrait and Voice, from where the host serves the pack's examples.
function exampleURL(name) {
  const pack = /\/extensions\/([^/]+)\//.exec(import.meta.url)?.[1] ?? "gwm";
  return api.apiURL(`/workflow_templates/${pack}/avatars/${encodeURIComponent(name)}.jpg`);
}

function clamp(share) {
  return Math.min(1, Math.max(0, share));
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// Both renderers of both frontends: the widget, its row and its socket.
function hide(text) {
  text.hidden = true;
  text.options ??= {};
  text.options.hidden = true;
  text.computeSize = () => [0, -4]; // no gap where a row was
}

// Calls `then` behind a method of this one object, without replacing what it does.
function after(object, name, then) {
  const before = object[name];
  object[name] = function (...values) {
    const result = before?.apply(this, values);
    then(...values);
    return result;
  };
}
