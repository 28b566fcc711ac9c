// The live player of one node: a walk that is played, and all that a person sees and holds of it.
import { findPictures, keepPictures } from "./album.js";
import { branch } from "./branch.js";
import { Face } from "./face.js";
import { Gamepad } from "./gamepad.js";
import { fillHelp } from "./help.js";
import { viewURL } from "./host.js";
import { Input } from "./input.js";
import { Keys } from "./keys.js";
import { Playback } from "./playback.js";
import { Pointer } from "./pointer.js";
import { Presence } from "./presence.js";
import { RunWatch } from "./runs.js";
import { forget, noteFresh } from "./safety.js";
import { bindings, inverted, isMuted, keepMuted, mouse, stays } from "./settings.js";
import { t } from "./text.js";
import { Timeline } from "./timeline.js";
import { Touch } from "./touch.js";
import { View } from "./view.js";

const BYPASSED = 4;
const MUTED = 2;

export class Player extends Playback {
  constructor(node, widget, stage) {
    const view = new View();
    super(node, widget, view.canvas);
    this.stage = stage;
    this.view = view;
    const { signal } = this.ending;
    const actions = this.#actions();
    view.use(actions, signal);
    const full = () => view.setFull(this.root.ownerDocument.fullscreenElement === this.root);
    this.root.addEventListener("fullscreenchange", full, { signal });
    this.#devices(signal);
    this.timeline = new Timeline(view.timeline, actions, signal);
    this.face = new Face(this);
    this.runs = new RunWatch(this, signal);
    this.presence = new Presence(this, signal);
    if (isMuted()) this.mute(true);
    noteFresh(this);
    this.sync();
  }

  // Why the node can do nothing, or "".
  get blocked() {
    if (this.node.mode === BYPASSED) return t("bypassed");
    return this.node.mode === MUTED ? t("muted") : "";
  }

  get root() {
    return this.view.root;
  }

  // ---------------------------------------------------------------- what a person does

  // Walk on from the tick shown; undo brings back what it replaces.
  async play() {
    this.sync();
    if (this.blocked) return;
    this.sound.unlock();
    this.view.focus();
    // Who turned to something else while the world was prepared is not called back.
    await this.begin(() => {
      const here = this.view.focused || stays();
      if (!here) this.notice(t("prepared"));
      return here;
    });
  }

  pause() {
    if (this.mode === "opening") this.cancelOpening();
    this.halt();
    this.changed();
  }

  toggle() {
    return this.active ? this.pause() : this.play();
  }

  async watch() {
    this.sync();
    if (this.blocked || (!this.ticks && this.keeper.walk.kind !== "text")) return;
    this.sound.unlock();
    await this.watchOn();
  }

  // Show a tick. While a person drags (`done` false) nothing is opened for it.
  async seek(tick, done = true) {
    this.sync();
    this.halt();
    this.cursor = Math.min(this.ticks, Math.max(0, Math.round(tick)));
    this.changed();
    if (this.ready) {
      this.goTo(this.cursor);
      return;
    }
    const thumb = this.timeline.thumb(this.cursor);
    if (thumb) this.picture.preview(thumb);
    if (done && !this.blocked && (await this.ensure("seek"))) this.goTo(this.cursor);
  }

  async step() {
    this.sync();
    if (this.blocked) return;
    this.sound.unlock();
    await this.stepOn(() => this.input.tellHeld());
  }

  async event(text) {
    this.sync();
    if (this.blocked) return;
    this.view.said("");
    if (!(await this.tell(text))) this.notice(t("eventLater"));
  }

  // Begin anew.
  reset() {
    this.sync();
    this.halt();
    this.keeper.forget();
    this.cursor = 0;
    this.timeline.clear();
    if (this.session.alive) {
      this.session.seek(0);
      this.session.cut();
    } else {
      this.picture.clear();
    }
    this.commit();
    this.changed();
  }

  // A second Play World beside this one, which goes on from the tick shown.
  branch() {
    this.sync();
    this.halt();
    const made = branch(this.node, this.keeper.upTo(this.cursor));
    if (!made) return null;
    this.notice(t("branched", { tick: this.cursor }));
    made.widgets.find((widget) => widget.player)?.player.inherit(this);
    return made;
  }

  // Pictures of the player that this one was branched from.
  inherit({ timeline, picture, cursor, rate }) {
    this.sync();
    this.rate = rate;
    this.timeline.restore(timeline.thumbs, cursor);
    if (picture.shown) this.picture.preview(picture.canvas);
    this.changed();
  }

  // Escape: the keyboard is the host's again, the world stands still, the walk is written.
  leave() {
    const page = this.root.ownerDocument;
    if (page.activeElement === this.view.eventField && this.mode === "playing") {
      this.view.focus();
      return;
    }
    this.view.toggleHelp(false);
    this.pause();
    page.activeElement?.blur?.();
  }

  async screenshot() {
    const blob = await this.picture.toBlob();
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `gwm_tick_${String(this.cursor).padStart(5, "0")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.notice(t("saved"));
  }

  mute(muted = !this.sound.muted) {
    this.sound.setMuted(muted);
    this.view.setMuted(muted);
    keepMuted(muted);
  }

  async fullScreen() {
    const page = this.root.ownerDocument;
    try {
      if (page.fullscreenElement === this.root) await page.exitFullscreen();
      else await this.root.requestFullscreen();
    } catch (error) {
      this.notice(error.message, "warning");
    }
    if (this.mode === "playing") this.view.focus();
  }

  // ---------------------------------------------------------------- what the host does

  // Reads the widget where somebody else has written it: undo, paste, another script.
  sync() {
    if (this.mode === "playing" || !this.keeper.sync()) return;
    this.cancelOpening();
    this.session.close();
    this.accepting = false;
    this.mode = "idle";
    this.#showWalk();
    const { kind, why } = this.keeper.walk;
    if (kind === "text") this.notice(t("controlText"));
    if (kind === "bad") this.notice(t("badWalk", { why }), "warning");
    // By then the host has filled the widget of a node that it has just made.
    setTimeout(() => this.recover());
  }

  // A walk that was being recorded when the page or the node went away.
  recover() {
    if (this.mode !== "idle" || this.ending.signal.aborted || !this.keeper.recover()) return;
    this.#showWalk();
    this.notice(t("recovered"));
  }

  // A recording whose node was taken away goes on here, if it began with what this one holds.
  adopt(root, began, text) {
    const { keeper } = this;
    if (keeper.dirty || keeper.text !== began || keeper.place.root !== root) return false;
    keeper.adopt(text);
    this.#showWalk();
    return true;
  }

  // Shows the walk of the widget, with the pictures that the page has of it from before.
  #showWalk() {
    this.cursor = this.ticks;
    this.timeline.clear();
    this.picture.clear();
    const kept = findPictures(this.keeper.text);
    if (kept) {
      this.timeline.restore(kept.thumbs);
      const poster = kept.poster ?? this.timeline.thumb(this.cursor);
      if (poster) this.picture.preview(poster);
    }
    this.changed();
  }

  commit() {
    if (!super.commit()) return false;
    const atEnd = this.cursor === this.ticks && this.picture.shown;
    keepPictures(this.keeper.text, this.timeline.thumbs, atEnd ? this.view.canvas : null);
    return true;
  }

  // Called right before the graph is queued: the widget must hold the walk.
  flush() {
    if (this.mode === "playing") this.halt();
    this.commit();
    this.recover();
    this.changed();
  }

  // A queue run has made this walk again.
  executed(output) {
    const { note, same } = output?.gwm_play?.[0] ?? {};
    if (note) this.notice(note, same === false ? "warning" : "info");
    const [strip] = output?.gwm_strip ?? [];
    if (strip) this.#takeStrip(viewURL(strip), output.gwm_strip_every?.[0] ?? 12);
  }

  async #takeStrip(url, every) {
    await this.timeline.takeStrip(url, every);
    keepPictures(this.keeper.text, this.timeline.thumbs, null);
    const thumb = this.timeline.thumb(this.cursor);
    if (thumb && !this.picture.shown) this.picture.preview(thumb);
  }

  dispose() {
    super.dispose();
    this.presence.dispose();
    this.timeline.dispose();
    this.face.dispose();
    forget(this);
  }

  // ---------------------------------------------------------------- hooks of the playback

  changed() {
    this.face?.refresh();
  }

  ticked() {
    this.pointer.check();
    if (this.mode === "playing") this.gamepad.notice();
    this.face.tick();
  }

  drew(tick) {
    this.timeline.take(tick, this.view.canvas);
  }

  cut(tick) {
    this.timeline.cut(tick);
  }

  opened(embodiment) {
    this.input.use(embodiment);
    this.touch.use(embodiment);
  }

  began() {
    this.input.begin();
  }

  stilled() {
    this.presence?.stay();
    this.keys.releaseAll();
    this.touch.releaseAll();
    this.gamepad.stop();
    this.input.end();
    this.pointer.unlock();
  }

  cameBack(wasPlaying) {
    if (wasPlaying && this.view.focused) this.play();
    else super.cameBack();
  }

  notice(text, kind) {
    this.view.notice(text, kind);
  }

  wait(text, part, cancellable) {
    this.view.wait(text, part, cancellable);
  }

  progress(done, total) {
    this.face.progress(done, total);
  }

  said(answer) {
    this.face.said(answer);
  }

  // ---------------------------------------------------------------- devices and the page

  #devices(signal) {
    const { canvas, touchLayer } = this.view;
    this.input = new Input(
      (message) => this.session.send(message),
      (number) => this.pressed.push([number, performance.now()]),
    );
    const clicked = () => {
      if (this.mode === "playing") return true;
      if (!this.view.big.hidden) this.play();
      return false;
    };
    const keys = {
      leave: () => this.leave(),
      command: () => this.pause(),
      tap: (code) => this.#tap(code),
    };
    const bound = () => bindings(this.input.buttons);
    this.keys = new Keys(canvas, this.input, bound, keys, signal);
    const actions = { clicked, unlocked: () => this.leave() };
    this.pointer = new Pointer(canvas, this.input, mouse, actions, signal);
    this.touch = new Touch(canvas, touchLayer, this.input, mouse, actions, signal);
    this.gamepad = new Gamepad(this.input, inverted);
  }

  // Keys while nothing plays: Enter and Space play, the full stop makes one tick.
  #tap(code) {
    if (this.mode === "playing" || this.mode === "opening") return false;
    if (code === "Enter" || code === "Space") this.toggle();
    else if (code === "Period") this.step();
    else return false;
    return true;
  }

  #actions() {
    const thenBack = (act) => () => {
      act();
      if (this.mode === "playing") this.view.focus();
    };
    return {
      play: () => this.toggle(),
      watch: () => this.watch(),
      start: () => this.seek(0),
      back: () => this.seek(this.cursor - Math.round(this.rate)),
      step: () => this.step(),
      record: () => (this.mode === "playing" ? this.leave() : this.play()),
      branch: () => this.branch(),
      reset: () => this.reset(),
      cancel: () => this.cancelOpening(),
      leave: () => this.leave(),
      event: (text) => this.event(text),
      shot: thenBack(() => this.screenshot()),
      mute: thenBack(() => this.mute()),
      full: () => this.fullScreen(),
      help: thenBack(() => {
        fillHelp(this.view.helpPanel, this.embodiment);
        this.view.toggleHelp();
      }),
      scrub: (tick, done) => this.seek(tick, done),
    };
  }
}
