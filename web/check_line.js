// A line under control texts: how long they last, or what is wrong with them and where.
// The server reads the text with the same code that will run it.
import { api } from "../../scripts/api.js";

const WIDGET = "gwm_check_line";
const HEIGHT = 34;
const WAIT_MS = 250;
// Node id -> the widget whose text is checked, whether it holds branches, and the input that
// takes its place when something is wired into it.
const TEXTS = {
  GWMControls: { text: "text", branches: false, instead: null },
  GWMStepWorld: { text: "text", branches: false, instead: "controls" },
  GWMBranchWorld: { text: "branches", branches: true, instead: null },
};
const lines = new WeakMap();

export function addCheckLine(node) {
  const kind = TEXTS[node.comfyClass];
  const text = kind && node.widgets?.find((widget) => widget.name === kind.text);
  if (!text || lines.has(node)) return;
  const element = document.createElement("div");
  element.setAttribute("role", "status");
  Object.assign(element.style, {
    font: "11px sans-serif",
    lineHeight: "15px",
    padding: "2px 8px",
    overflow: "hidden",
    userSelect: "text",
    color: "var(--descrip-text, #999)",
  });
  const widget = node.addDOMWidget(WIDGET, WIDGET, element, {
    serialize: false,
    hideOnZoom: true,
    getMinHeight: () => HEIGHT,
    getMaxHeight: () => HEIGHT,
  });
  widget.serialize = false;
  const line = { kind, text, element, timer: 0, asking: null };
  lines.set(node, line);
  chain(text, "callback", () => refreshCheckLine(node));
  chain(node, "onConnectionsChange", () => refreshCheckLine(node));
  chain(node, "onRemoved", () => {
    clearTimeout(line.timer);
    line.asking?.abort();
  });
  refreshCheckLine(node);
}

export function refreshCheckLine(node) {
  const line = lines.get(node);
  if (!line) return;
  clearTimeout(line.timer);
  line.timer = setTimeout(() => ask(node, line), WAIT_MS);
}

async function ask(node, line) {
  line.asking?.abort();
  const { instead } = line.kind;
  if (instead && node.inputs?.some((input) => input.name === instead && input.link != null)) {
    return show(line, `not used: ${instead} are wired in`, false);
  }
  const asking = (line.asking = new AbortController());
  try {
    const reply = await api.fetchApi("/gwm/controls/check", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: String(line.text.value ?? ""), branches: line.kind.branches }),
      signal: asking.signal,
    });
    if (!reply.ok) return show(line, "", false);
    const said = await reply.json();
    show(line, said.ok ? lengths(said) : said.message, !said.ok);
  } catch {
    // Cancelled by newer text, or no server: the node itself will say what is wrong.
    if (!asking.signal.aborted) show(line, "", false);
  }
}

function lengths({ ticks, rate }) {
  const each = ticks.map((n) => `${n} ticks, ${(n / rate).toFixed(1)} s`);
  return each.length > 1 ? `${each.length} branches: ${each.join("; ")}` : (each[0] ?? "");
}

function show(line, message, wrong) {
  line.element.textContent = message;
  line.element.title = message;
  line.element.style.color = wrong ? "var(--error-text, #f66)" : "var(--descrip-text, #999)";
}

// Calls `after` behind a method of this one object, without replacing what it does.
function chain(object, name, after) {
  const before = object[name];
  object[name] = function (...args) {
    const result = before?.apply(this, args);
    after();
    return result;
  };
}
