// What the player needs of ComfyUI's page, in one place: settings, undo steps, graphs. Works with
// every frontend from 1.32.9 on.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";

export { api, app };

// The workflow's outermost graph.
export function rootGraph() {
  return app.rootGraph ?? app.graph;
}

export function setting(id, fallback) {
  const value = app.extensionManager?.setting?.get(id) ?? app.ui?.settings?.getSettingValue?.(id);
  return value ?? fallback;
}

export function setSetting(id, value) {
  return app.extensionManager?.setting?.set(id, value);
}

// Makes what has changed in the graph one step of undo.
export function undoStep() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
}

// Several changes of the graph, one step of undo.
export function asOneStep(change) {
  app.canvas?.emitBeforeChange?.();
  try {
    change();
  } finally {
    app.canvas?.emitAfterChange?.();
  }
  undoStep();
}

export function redraw() {
  app.canvas?.setDirty?.(true, true);
}

// Whether this node is part of the open workflow, at any depth.
export function isOpen(node) {
  return Boolean(node.graph) && (node.graph.rootGraph ?? node.graph) === rootGraph();
}

// Whether the element stands in a node of Nodes 2.0 instead of over the graph's canvas.
export function inVueNode(element) {
  return Boolean(element.closest("[data-node-id]"));
}

// Every id under which a run knows this node: "5", or "3:5" inside subgraph node 3. A subgraph
// that is used twice gives two.
export function executionIds(node) {
  const found = [];
  const visit = (graph, path) => {
    if (graph === node.graph) found.push([...path, node.id].join(":"));
    for (const inner of graph.nodes ?? []) {
      if (inner.subgraph && path.length < 32) visit(inner.subgraph, [...path, inner.id]);
    }
  };
  if (rootGraph()) visit(rootGraph(), []);
  return found;
}

export function viewURL({ filename, subfolder = "", type = "temp" }) {
  const query = new URLSearchParams({ filename, subfolder, type });
  return api.apiURL(`/view?${query}`);
}
