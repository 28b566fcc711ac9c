// The walk as the node's widget holds it: a control track and what it was recorded in.
import { Track } from "./track.js";

const VERSION = 1;

// {kind, track, of, world, last, text}. kind: "empty"; "walk"; "text" for control text that a
// person wrote, which only the server reads; "bad" with `why`.
export function readWalk(text) {
  const nothing = { kind: "empty", track: null, of: null, world: "", last: "", text };
  const trimmed = String(text ?? "").trim();
  if (!trimmed) return nothing;
  if (!trimmed.startsWith("{")) return { ...nothing, kind: "text" };
  try {
    return fromJSON(JSON.parse(trimmed), text);
  } catch (error) {
    return { ...nothing, kind: "bad", why: error.message };
  }
}

export function fromJSON(data, text = "") {
  if (data?.gwm_walk !== VERSION) throw new Error(`a walk of version ${data?.gwm_walk}`);
  return {
    kind: "walk",
    track: Track.fromJSON(data.controls),
    of: data.of ?? null,
    world: data.world ?? "",
    last: data.last ?? "",
    text,
  };
}

export function toJSON({ track, of, world, last }) {
  return { gwm_walk: VERSION, controls: track.toJSON(), of: of ?? {}, world, last };
}

// The text of the widget; an empty track gives "", so that a reset node is as new.
export function writeWalk(walk) {
  if (!walk.track || walk.track.empty) return "";
  return JSON.stringify(toJSON(walk));
}
