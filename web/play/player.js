// The live player of one node: a walk that is played, watched, wound and written. Composes the
// session on the server, picture, sound, devices, timeline and the widget that keeps the walk.
import { findPictures, keepPictures } from "./album.js";
import { branch } from "./branch.js";
import { Face } from "./face.js";
import { fillHelp } from "./help.js";
import { Gamepad } from "./gamepad.js";
import { viewURL } from "./host.js";
import { Input } from "./input.js";
import { Keeper } from "./keeper.js";
import { Keys } from "./keys.js";
import { plan } from "./open.js";
import { Picture } from "./picture.js";
import { Pointer } from "./pointer.js";
import { forget, noteFresh } from "./safety.js";
import { Session } from "./session.js";
import { bindings, inverted, mouse, quality, stays } from "./settings.js";
import { Sound } from "./sound.js";
import { t } from "./text.js";
import { Timeline } from "./timeline.js";
import { Touch } from "./touch.js";
import { View } from "./view.js";
import { fromJSON } from "./walk.js";

const USUAL_RATE = 12;
const LOOK_ROUND_MS = 400; // mode of the node, other writers, hidden pages
const AWAY_MS = 3000;
const COMMIT_AFTER_MS = 1200; // of single steps and events: several of them are one step of undo
const KEPT_LATENCIES = 5000;
const BYPASSED = 4;
const MUTED = 2;

export class Player {
  constructor(node, widget, stage) {
    this.node = node;
    this.stage = stage;
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.mode = "idle"; // opening, paused, playing, watching, lost
    this.cursor = 0; // the tick shown
    this.rate = USUAL_RATE;
    this.embodiment = null;
    this.wish = ""; // what waits for the session to open
    this.accepting = false; // ticks are shown and recorded; late ones after a pause are not
    this.moved = false; // a tick was recorded since Play was pressed
    this.pressed = []; // [number, time] of presses that no picture has answered yet
    this.stats = {
      drawn: [],
      keyToPixel: [],
      underruns: 0,
      firstPictureMs: null,
      received: 0,
      dropped: 0,
      audioOffsets: [],
    };
    this.keeper = new Keeper(node, widget);
    this.view = new View(this.#actions(), signal);
    this.picture = new Picture(this.view.canvas);
    this.stats.drawn = this.picture.drawn;
    this.sound = new Sound();
    this.stats.audioOffsets = this.sound.offsets;
    this.session = new Session(this.#events());
    this.#devices(signal);
    this.timeline = new Timeline(this.view.timeline, this.#actions(), signal);
    this.face = new Face(this);
    this.#listen(signal);
    noteFresh(this);
    this.sync();
    this.lookRound = setInterval(() => this.#lookRound(), LOOK_ROUND_MS);
  }

  // "idle", "opening", "paused", "playing", "watching", "busy" (going somewhere), "waiting" (for
  // the queue), "lost".
  get state() {
    const { state } = this.session;
    if (this.mode === "playing" || this.mode === "watching") {
      return state === "waiting" ? "waiting" : state === this.mode ? this.mode : "busy";
    }
    return this.mode === "paused" && state === "busy" ? "busy" : this.mode;
  }

  get track() {
    return this.keeper.track;
  }

  get ticks() {
    return this.keeper.ticks;
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

  // Walk on from the tick shown; what came after it is replaced with the first new tick.
  async play() {
    this.sync();
    if (this.blocked || this.mode === "playing") return;
    this.sound.unlock();
    this.view.focus();
    this.stats.firstPictureMs = null;
    this.playedAt = performance.now();
    if (this.mode === "watching") this.#stopWatching();
    if (!(await this.#ensure("play", true))) return;
    this.#commit();
    this.#goTo(this.cursor);
    this.mode = "playing";
    this.accepting = true;
    this.moved = false;
    this.session.play();
    this.face.refresh();
  }

  // Pause, and write what was played.
  pause() {
    if (this.mode === "playing") this.#finish();
    else if (this.mode === "watching") this.#stopWatching();
    else if (this.mode === "opening") this.cancelOpening();
    this.#commit();
    this.face.refresh();
  }

  toggle() {
    return this.mode === "playing" || this.mode === "watching" ? this.pause() : this.play();
  }

  // The recorded walk goes by as it was made: from the tick shown, or from the beginning.
  async watch() {
    this.sync();
    if (this.blocked || (!this.ticks && this.keeper.walk.kind !== "text")) return;
    this.sound.unlock();
    this.pause();
    if (!(await this.#ensure("watch", true))) return;
    if (this.cursor >= this.ticks) this.cursor = 0;
    this.#goTo(this.cursor);
    this.mode = "watching";
    this.accepting = true;
    this.session.watch();
    this.face.refresh();
  }

  // Show a tick. While a person drags (`done` false) nothing is opened for it.
  async seek(tick, done = true) {
    this.sync();
    this.#halt();
    this.cursor = Math.min(this.ticks, Math.max(0, Math.round(tick)));
    this.face.refresh();
    if (this.session.alive && !this.#stale) {
      this.#goTo(this.cursor);
      return;
    }
    const thumb = this.timeline.thumb(this.cursor);
    if (thumb) this.picture.preview(thumb);
    if (done && (await this.#ensure("seek"))) this.#goTo(this.cursor);
  }

  // One tick with what is held.
  async step() {
    this.sync();
    if (this.blocked) return;
    this.#halt();
    this.sound.unlock();
    if (!(await this.#ensure("step", true))) return;
    this.#goTo(this.cursor);
    this.accepting = true;
    this.input.tellHeld();
    this.session.step();
    this.#commitSoon();
  }

  // Something happens before the next tick.
  async event(text) {
    this.sync();
    if (this.blocked) return;
    this.view.said("");
    if (this.mode === "playing") {
      this.session.event(text);
      return;
    }
    this.#halt();
    if (!(await this.#ensure("event", true))) return;
    this.#goTo(this.cursor);
    this.session.event(text);
    if (this.cursor >= this.ticks) {
      this.keeper.wait(text);
      this.#commitSoon();
    } else {
      this.view.notice(t("eventLater"));
    }
    this.face.refresh();
  }

  // Begin anew. Undo brings the walk back.
  reset() {
    this.sync();
    this.#halt();
    this.keeper.forget();
    this.cursor = 0;
    this.timeline.clear();
    if (this.session.alive) {
      this.session.seek(0);
      this.session.cut();
    } else {
      this.picture.clear();
    }
    this.#commit();
    this.face.refresh();
  }

  // A second Play World beside this one, which goes on from the tick shown.
  branch() {
    this.sync();
    this.#halt();
    this.#commit();
    const made = branch(this.node, this.keeper.upTo(this.cursor));
    if (!made) return null;
    this.view.notice(t("branched", { tick: this.cursor }));
    made.widgets.find((widget) => widget.player)?.player.inherit(this);
    return made;
  }

  // Pictures of the player that this one was branched from.
  inherit({ timeline, picture, cursor, rate }) {
    this.sync();
    this.rate = rate;
    this.timeline.restore(timeline.thumbs, cursor);
    if (picture.shown) this.picture.preview(picture.canvas);
    this.face.refresh();
  }

  // Escape: the keyboard is the host's again, the world stands still, the walk is written.
  leave() {
    const { activeElement } = this.root.ownerDocument;
    if (activeElement === this.view.eventField && this.mode === "playing") {
      this.view.focus();
      return;
    }
    this.view.toggleHelp(false);
    this.pause();
    this.root.ownerDocument.activeElement?.blur?.();
  }

  cancelOpening() {
    this.wish = "";
    this.opening?.cancel.abort();
  }

  async screenshot() {
    const blob = await this.picture.toBlob();
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `gwm_tick_${String(this.cursor).padStart(5, "0")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.view.notice(t("saved"));
  }

  mute(muted = !this.sound.muted) {
    this.sound.setMuted(muted);
    this.view.setMuted(muted);
  }

  async fullScreen() {
    const page = this.root.ownerDocument;
    try {
      if (page.fullscreenElement === this.root) await page.exitFullscreen();
      else await this.root.requestFullscreen();
    } catch (error) {
      this.view.notice(error.message, "warning");
    }
    if (this.mode === "playing") this.view.focus();
  }

  // ---------------------------------------------------------------- what the host does

  // Reads the widget where somebody else has written it: undo, paste, another script.
  sync() {
    if (this.mode === "playing" || !this.keeper.sync()) return;
    this.session.close();
    this.accepting = false;
    this.mode = "idle";
    this.#showWalk();
    const { kind, why } = this.keeper.walk;
    if (kind === "text") this.view.notice(t("controlText"));
    if (kind === "bad") this.view.notice(t("badWalk", { why }), "warning");
    // By then the host has filled the widget of a node that it has just made.
    setTimeout(() => this.#recover());
  }

  #recover() {
    if (this.mode !== "idle" || this.ending.signal.aborted || !this.keeper.recover()) return;
    this.#showWalk();
    this.view.notice(t("recovered"));
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
    this.face.refresh();
  }

  // Writes what was recorded.
  #commit() {
    if (!this.keeper.commit()) return;
    const atEnd = this.cursor === this.ticks && this.picture.shown;
    keepPictures(this.keeper.text, this.timeline.thumbs, atEnd ? this.view.canvas : null);
  }

  // Called right before the graph is queued: the widget must hold the walk.
  flush() {
    if (this.mode === "playing") this.#finish();
    this.#commit();
    this.face.refresh();
  }

  // A queue run has made this walk again.
  executed(output) {
    const { note, same } = output?.gwm_play?.[0] ?? {};
    if (note) this.view.notice(note, same === false ? "warning" : "info");
    const [strip] = output?.gwm_strip ?? [];
    if (strip) this.#takeStrip(viewURL(strip), output.gwm_strip_every?.[0] ?? 12);
  }

  async #takeStrip(url, every) {
    await this.timeline.takeStrip(url, every);
    keepPictures(this.keeper.text, this.timeline.thumbs, null);
    const thumb = this.timeline.thumb(this.cursor);
    if (thumb && !this.picture.shown) this.picture.preview(thumb);
  }

  // A recording whose node was taken away is continued here if it began with what this one holds.
  adopt(root, began, text) {
    const { keeper } = this;
    if (keeper.dirty || keeper.text !== began || keeper.place.root !== root) return false;
    keeper.adopt(text);
    this.#showWalk();
    return true;
  }

  dispose() {
    if (this.mode === "playing") this.#quiet();
    this.keeper.leaveNode(this);
    this.cancelOpening();
    this.ending.abort();
    clearInterval(this.lookRound);
    clearTimeout(this.commitTimer);
    clearTimeout(this.awayTimer);
    this.gamepad.stop();
    this.session.close();
    this.sound.dispose();
    this.picture.dispose();
    this.timeline.dispose();
    this.face.dispose();
    forget(this);
  }

  // ---------------------------------------------------------------- the session

  // The server's walk lacks ticks that this one has: it must be opened anew.
  get #stale() {
    return this.session.ticks !== this.ticks;
  }

  // A session lives that plays this walk. `fresh`: also the world must be the one that the graph
  // makes now. False where it cannot be had, or when something else is wished meanwhile.
  async #ensure(wish, fresh = false) {
    this.wish = wish;
    if (!this.opening && this.session.alive && !this.#stale && !fresh) return true;
    const cancel = this.opening?.cancel ?? new AbortController();
    this.opening ??= { cancel, done: this.#open(cancel.signal) };
    const { opening } = this;
    const opened = await opening.done;
    if (this.opening === opening) this.opening = null;
    return opened && this.wish === wish && !this.ending.signal.aborted;
  }

  async #open(signal) {
    const told = (text, done = 0, total = 0) =>
      this.view.wait(text, total > 1 ? done / total : null, true);
    try {
      const planned = await plan(this.node);
      const alive = this.session.alive && !this.#stale;
      if (alive && planned.signature === this.session.signature) return true;
      this.mode = "opening";
      this.face.refresh();
      const { keeper } = this;
      const asText = keeper.walk.kind === "text";
      const opened = await this.session.open(planned, keeper.forServer, quality(), told, signal);
      const walk = asText && opened.ticks ? fromJSON(await this.session.readWalk()) : null;
      this.#opened(opened, walk);
      return true;
    } catch (error) {
      if (this.mode === "opening") this.mode = this.session.alive ? "paused" : "idle";
      if (error.name !== "AbortError") this.view.notice(error.message, "error");
      return false;
    } finally {
      this.view.wait("");
      this.face.refresh();
    }
  }

  #opened(opened, walk) {
    const { embodiment, changed } = opened;
    const atEnd = this.cursor >= this.ticks;
    this.embodiment = embodiment;
    this.rate = embodiment.tick_rate;
    this.input.use(embodiment);
    this.touch.use(embodiment);
    this.keeper.enter(opened, walk);
    if (atEnd) this.cursor = this.ticks;
    this.mode = "paused";
    if (changed?.length) {
      const what = changed.map((name) => t(`changed.${name}`)).join(", ");
      this.view.notice(t("changed", { what }), "warning");
    }
  }

  #events() {
    return {
      state: () => this.#stateTold(),
      progress: (done, total) => this.face.progress(done, total),
      message: (message) => this.#message(message),
      event: (answer) => this.face.said(answer),
      failed: (text) => {
        if (this.mode === "playing") this.#finish();
        else if (this.mode === "watching") this.mode = "paused";
        this.#commit();
        this.view.notice(text, "error");
        this.face.refresh();
      },
      lost: () => {
        this.wasPlaying = this.mode === "playing";
        this.#quiet();
        this.mode = "lost";
        this.#commit();
        this.face.refresh();
      },
      back: (opened) => {
        this.mode = "paused";
        if (opened.ticks > this.ticks) this.session.pause(this.ticks);
        this.view.notice(t("backAgain"));
        this.face.refresh();
        if (this.wasPlaying && this.view.focused) this.play();
        else this.#goTo(this.cursor);
      },
      gone: (why) => {
        this.#quiet();
        if (this.mode !== "opening") this.mode = "idle";
        this.#commit();
        this.view.notice(why, "warning");
        this.face.refresh();
      },
    };
  }

  #stateTold() {
    const { state, why, expected } = this.session;
    if (state === "playing" && this.mode === "playing") this.input.begin();
    if (state === "waiting") this.sound.stop();
    if (state === "paused" && !expected) {
      if (this.mode === "playing") {
        this.#quiet();
        this.mode = "paused";
        this.#commit();
      } else if (this.mode === "watching") {
        this.mode = "paused";
        this.accepting = false;
        this.sound.stopSoon();
      }
      if (why) this.view.notice(why, "warning");
    }
    this.face.refresh();
  }

  // The server goes to a tick, unless it is there.
  #goTo(tick) {
    if (this.session.alive && this.session.tick !== tick) this.session.seek(tick);
  }

  // Whatever goes by stops; what was recorded is written.
  #halt() {
    if (this.mode === "playing") this.#finish();
    else if (this.mode === "watching") this.#stopWatching();
    this.#commit();
  }

  // The recording ends with the last tick that came: what the server made beyond it was never
  // seen and is cut off.
  #finish() {
    this.#quiet();
    this.session.pause(this.moved ? this.ticks : this.cursor);
    this.mode = "paused";
    this.#commit();
  }

  #stopWatching() {
    this.#quiet();
    this.session.pause();
    this.session.seek(this.cursor);
    this.mode = "paused";
  }

  // No device reaches the world, no late tick the walk, and there is silence.
  #quiet() {
    this.accepting = false;
    clearTimeout(this.awayTimer);
    this.keys.releaseAll();
    this.touch.releaseAll();
    this.gamepad.stop();
    this.input.end();
    this.pointer.unlock();
    this.pressed.length = 0;
    this.sound.stop();
    this.stats.underruns = this.sound.underruns;
  }

  #commitSoon() {
    clearTimeout(this.commitTimer);
    this.commitTimer = setTimeout(() => {
      if (this.mode !== "playing") this.#commit();
      this.face.refresh();
    }, COMMIT_AFTER_MS);
  }

  // ---------------------------------------------------------------- ticks

  #message(message) {
    const { header } = message;
    const { n, kind, rows, tick } = header;
    const ack = () => this.session.ack(n);
    if (kind === "still") {
      this.picture.show(message, 0, {
        first: (drawn) => {
          ack();
          if (drawn) this.timeline.take(tick, this.view.canvas);
        },
      });
      this.face.refresh();
      return;
    }
    this.stats.received++;
    if (!this.accepting) {
      ack();
      return;
    }
    if (rows.length && !this.#record(header)) {
      ack();
      return;
    }
    this.cursor = tick;
    this.stats.dropped += Math.max(0, rows.length - 1);
    this.sound.add(message, performance.now(), this.mode !== "paused");
    this.stats.underruns = this.sound.underruns;
    this.picture.show(message, 1000 / this.rate, {
      first: (drawn) => {
        ack();
        if (drawn) this.#drawn(header);
        else this.stats.dropped++;
      },
    });
    this.pointer.check();
    if (this.mode === "playing") this.gamepad.notice();
    this.face.tick();
  }

  #record(header) {
    const { keeper } = this;
    const start = header.tick - header.rows.length;
    if (start < keeper.ticks) this.timeline.cut(start);
    if (!keeper.append(header)) {
      this.#finish();
      this.view.notice(t("gap"), "warning");
      this.face.refresh();
      return false;
    }
    this.moved = true;
    keeper.copy();
    return true;
  }

  #drawn({ tick, seqs }) {
    const now = performance.now();
    const answered = seqs?.at(-1) ?? 0;
    while (this.pressed.length && this.pressed[0][0] <= answered) {
      this.stats.keyToPixel.push(now - this.pressed.shift()[1]);
    }
    if (this.stats.keyToPixel.length > KEPT_LATENCIES) this.stats.keyToPixel.shift();
    if (this.stats.firstPictureMs === null && this.playedAt && this.mode === "playing") {
      this.stats.firstPictureMs = now - this.playedAt;
    }
    this.timeline.take(tick, this.view.canvas);
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
    this.keys = new Keys(
      canvas,
      this.input,
      () => bindings(this.input.buttons),
      {
        leave: () => this.leave(),
        command: () => this.pause(),
        tap: (code) => this.#tap(code),
      },
      signal,
    );
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
    const again = (act) => () => {
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
      shot: again(() => this.screenshot()),
      mute: again(() => this.mute()),
      full: () => this.fullScreen(),
      help: again(() => {
        fillHelp(this.view.helpPanel, this.embodiment);
        this.view.toggleHelp();
      }),
      scrub: (tick, done) => this.seek(tick, done),
    };
  }

  #listen(signal) {
    const { root } = this.view;
    root.addEventListener("focusout", (event) => this.#left(event), { signal });
    root.addEventListener("focusin", () => clearTimeout(this.awayTimer), { signal });
    root.addEventListener("fullscreenchange", () => {
      this.view.setFull(root.ownerDocument.fullscreenElement === root);
    }, { signal });
    addEventListener("pagehide", () => {
      if (this.mode === "playing") this.#quiet();
      this.keeper.leavePage();
    }, { signal });
  }

  // The person turns to something else: the world stops, unless it is told to go on. Where nobody
  // knows what they turned to, they may be back in a moment.
  #left({ relatedTarget }) {
    if (this.root.contains(relatedTarget)) return;
    this.input.releaseAll();
    if (this.mode !== "playing" || stays()) return;
    if (relatedTarget) this.#away();
    else this.awayTimer = setTimeout(() => this.#away(), AWAY_MS);
  }

  #away() {
    if (this.mode !== "playing") return;
    this.pause();
    this.view.notice(t("pausedAway"));
  }

  #lookRound() {
    const { node, root } = this;
    this.stage.settle();
    this.pointer.check();
    if (this.mode === "playing" || this.mode === "watching") {
      const unseen = root.ownerDocument.hidden || node.flags?.collapsed || !root.isConnected;
      if (unseen || this.blocked) this.pause();
    } else {
      this.sync();
      this.#recover();
    }
    this.face.look();
  }
}
