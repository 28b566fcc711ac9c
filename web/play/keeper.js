// Keeps the walk: what the node's widget holds, what is recorded on top of it, and when that is
// written. The widget is written at the end of a recording only, so that one recording is one
// step of undo.
import { isOpen, undoStep } from "./host.js";
import { dropCopy, findCopy, handOver, keepCopy, placeOf } from "./safety.js";
import { Track } from "./track.js";
import { readWalk, toJSON, writeWalk } from "./walk.js";

const COPY_MS = 1000;
const KEPT_HASHES = 64;

export class Keeper {
  constructor(node, widget) {
    this.node = node;
    this.widget = widget;
    this.text = null; // of the widget, as it was read or written last
    this.walk = readWalk("");
    this.world = null; // {of, world}: what new ticks are recorded in
    this.dirty = false;
    this.place = placeOf(node);
    this.looked = null; // the place where a copy was looked for
    this.copiedAt = 0;
    this.hashes = new Map(); // tick -> hash of its last frame
  }

  get track() {
    return this.walk.track;
  }

  get ticks() {
    return this.walk.track?.ticks ?? 0;
  }

  // Reads the widget if somebody else has written it; true if so.
  sync() {
    const text = String(this.widget.value ?? "");
    if (text === this.text) return false;
    this.text = text;
    this.walk = readWalk(text);
    this.dirty = false;
    this.looked = null;
    this.hashes.clear();
    return true;
  }

  // A walk that was being recorded when the page or the node went away takes the place of the one
  // that the recording began with; true if there is one. Called once the host has filled the
  // widget, which is after the node has joined its graph.
  recover() {
    const place = placeOf(this.node);
    if (this.dirty || place.key === this.looked) return false;
    this.place = place;
    this.looked = place.key;
    const copy = findCopy(place, this.text);
    if (copy === null) return false;
    this.adopt(copy);
    return true;
  }

  // Takes a walk that was recorded from the one in the widget.
  adopt(text) {
    this.text = text;
    this.walk = readWalk(text);
    this.widget.value = text;
    dropCopy(this.place);
  }

  // A world was opened: its controls are known now, and new ticks are recorded in it.
  enter({ embodiment, of, world }, walk) {
    this.world = { of, world };
    if (walk) this.walk = { ...walk, text: this.text };
    if (!this.track) this.walk = { ...this.walk, track: Track.of(embodiment) };
    else if (this.track.fits(embodiment)) this.track.adopt(embodiment);
  }

  // New ticks; false where some before them are missing.
  append({ tick, rows, events, hash, computed }) {
    const start = tick - rows.length;
    if (start > this.ticks) return false;
    if (computed) this.world = { ...this.world, of: { ...this.world.of, computed } };
    for (const at of this.hashes.keys()) if (at > start) this.hashes.delete(at);
    this.track.append(start, rows, events);
    this.#changed(hash);
    return true;
  }

  // An event that waits for the next tick.
  wait(text) {
    this.track.wait(text);
    this.#changed(this.walk.last);
  }

  forget() {
    const { track } = this;
    const anew = track && new Track(track.names, track.units, track.embodiment);
    this.walk = { ...readWalk(""), track: anew };
    this.hashes.clear();
    this.dirty = true;
  }

  // The walk up to a tick, as a widget's text.
  upTo(tick) {
    const { walk } = this;
    if (!walk.track) return walk.text ?? "";
    const track = walk.track.copy();
    track.cut(tick);
    const last = tick >= walk.track.ticks ? walk.last : (this.hashes.get(tick) ?? "");
    return writeWalk({ ...walk, track, last });
  }

  // What a session is opened with.
  get forServer() {
    if (this.walk.kind === "text") return this.walk.text;
    return this.track && !this.track.empty ? toJSON(this.walk) : null;
  }

  // Writes what was recorded; true if there was anything. `step`: as one step of undo.
  commit(step = true) {
    if (!this.dirty) return false;
    this.dirty = false;
    dropCopy(this.place);
    const text = writeWalk(this.walk);
    if (text === this.text) return false;
    this.text = text;
    this.walk.text = text;
    this.widget.value = text;
    if (step && isOpen(this.node)) undoStep();
    return true;
  }

  // Called now and then while a walk is recorded: the tab keeps a copy. Long walks take longer to
  // write, and are copied less often.
  copy(now = performance.now()) {
    if (!this.dirty || now - this.copiedAt < COPY_MS) return;
    keepCopy(this.place, this.text, writeWalk(this.walk));
    const took = performance.now() - now;
    this.copiedAt = now + 40 * took;
  }

  // The page goes away, and may come back.
  leavePage() {
    if (!this.dirty) return;
    const began = this.text;
    this.commit(false);
    keepCopy(this.place, began, this.text);
  }

  // The node goes away: whoever takes its place gets what was recorded.
  leaveNode(player) {
    if (!this.dirty) return;
    const began = this.text;
    this.commit(false);
    keepCopy(this.place, began, this.text);
    handOver(player, this.place, began, this.text);
  }

  #changed(hash) {
    if (!this.dirty) this.place = placeOf(this.node);
    this.dirty = true;
    this.walk = { ...this.walk, ...this.world, kind: "walk", last: hash };
    this.hashes.set(this.ticks, hash);
    if (this.hashes.size > KEPT_HASHES) this.hashes.delete(this.hashes.keys().next().value);
  }
}
