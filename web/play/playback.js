// Playing, watching, winding and writing a walk: what a player does with a world, without the
// devices and elements that a person sees of it. The player adds those, and overrides the hooks.
import { Keeper } from "./keeper.js";
import { plan } from "./open.js";
import { Pace } from "./pace.js";
import { Picture } from "./picture.js";
import { Session } from "./session.js";
import { quality } from "./settings.js";
import { Sound } from "./sound.js";
import { t } from "./text.js";
import { fromJSON } from "./walk.js";

const USUAL_RATE = 12;
const KEPT_LATENCIES = 5000;
const COMMIT_AFTER_MS = 1200; // of single steps and events: several of them are one step of undo

export class Playback {
  constructor(node, widget, canvas) {
    this.node = node;
    this.ending = new AbortController();
    this.mode = "idle"; // opening, paused, playing, watching, lost
    this.cursor = 0; // the tick shown
    this.rate = USUAL_RATE;
    this.embodiment = null;
    this.wish = ""; // what waits for the session to open
    this.opening = null; // {cancel, done}
    this.accepting = false; // ticks are shown and recorded; late ones after a pause are not
    this.moved = false; // a tick was recorded since Play was pressed
    this.pressed = []; // [number, time] of presses that no picture has answered yet
    this.keeper = new Keeper(node, widget);
    this.picture = new Picture(canvas);
    this.sound = new Sound();
    this.pace = new Pace();
    this.session = new Session(this.#events());
    this.stats = {
      drawn: this.picture.drawn,
      keyToPixel: [],
      underruns: 0,
      bridged: 0,
      firstPictureMs: null,
      received: 0,
      dropped: 0,
      audioOffsets: this.sound.offsets,
    };
  }

  // Hooks. changed(): anything but a tick. ticked(): a tick has come. drew(tick): the canvas shows
  // it. cut(tick): what came after it is gone. began(): the world takes controls. stilled(): it
  // takes none any more. opened(embodiment). notice(text, kind). wait(text, part, cancellable).
  changed() {}
  ticked() {}
  drew() {}
  cut() {}
  began() {}
  stilled() {}
  opened() {}
  notice() {}
  wait() {}
  progress() {}
  said() {}

  // "idle", "opening", "paused", "playing", "watching", "busy" (going somewhere), "waiting" (for
  // the queue), "lost".
  get state() {
    const { state } = this.session;
    if (this.active) {
      return state === "waiting" ? "waiting" : state === this.mode ? this.mode : "busy";
    }
    return this.mode === "paused" && state === "busy" ? "busy" : this.mode;
  }

  // Ticks go by.
  get active() {
    return this.mode === "playing" || this.mode === "watching";
  }

  get track() {
    return this.keeper.track;
  }

  get ticks() {
    return this.keeper.ticks;
  }

  // ---------------------------------------------------------------- what may be asked

  // Walk on from the tick shown; the first new tick takes the place of what came after it.
  async begin(mayBegin = () => true) {
    if (this.mode === "playing") return;
    this.stats.firstPictureMs = null;
    this.playedAt = performance.now();
    if (this.mode === "watching") this.#stopWatching();
    if (!(await this.ensure("play", true)) || !mayBegin()) return;
    this.commit();
    this.goTo(this.cursor);
    this.mode = "playing";
    this.accepting = true;
    this.moved = false;
    this.pace.begin();
    this.session.play();
    this.changed();
  }

  // The recorded walk goes by as it was made: from the tick shown, or from the beginning.
  async watchOn() {
    this.halt();
    if (!(await this.ensure("watch", true))) return;
    if (this.cursor >= this.ticks) this.cursor = 0;
    this.goTo(this.cursor);
    this.mode = "watching";
    this.accepting = true;
    this.pace.begin();
    this.session.watch();
    this.changed();
  }

  // One tick; `hold` tells the server what is held.
  async stepOn(hold) {
    this.halt();
    if (!(await this.ensure("step", true))) return;
    this.goTo(this.cursor);
    this.accepting = true;
    hold();
    this.session.step();
    this.#commitSoon();
  }

  // Something happens before the next tick. False where that is later than now.
  async tell(text) {
    if (this.mode === "playing") {
      this.session.event(text);
      return true;
    }
    this.halt();
    if (!(await this.ensure("event", true))) return true;
    this.goTo(this.cursor);
    this.session.event(text);
    if (this.cursor < this.ticks) return false;
    this.keeper.wait(text);
    this.#commitSoon();
    this.changed();
    return true;
  }

  // Whatever goes by stops; what was recorded is written.
  halt() {
    if (this.mode === "playing") this.#finish();
    else if (this.mode === "watching") this.#stopWatching();
    this.commit();
  }

  cancelOpening() {
    this.wish = "";
    this.opening?.cancel.abort();
  }

  // Writes what was recorded, as one step of undo; true if there was anything.
  commit() {
    return this.keeper.commit();
  }

  // The server goes to a tick, unless it is there.
  goTo(tick) {
    if (this.session.alive && this.session.tick !== tick) this.session.seek(tick);
  }

  // The server's walk is this one: a tick of it can be shown at once.
  get ready() {
    return this.session.connected && this.session.ticks === this.ticks;
  }

  dispose() {
    if (this.mode === "playing") this.quiet();
    this.keeper.leaveNode(this);
    this.cancelOpening();
    this.ending.abort();
    clearTimeout(this.commitTimer);
    this.session.close();
    this.sound.dispose();
    this.picture.dispose();
  }

  // ---------------------------------------------------------------- the session

  // A session lives that plays this walk. `fresh`: also the world must be the one that the graph
  // makes now. False where it cannot be had, or when something else is wished meanwhile.
  async ensure(wish, fresh = false) {
    this.wish = wish;
    if (!this.opening && this.ready && !fresh) return true;
    if (!this.opening) {
      const cancel = new AbortController();
      this.opening = { cancel, done: this.#open(cancel.signal) };
    }
    const { opening } = this;
    const opened = await opening.done;
    if (this.opening === opening) this.opening = null;
    return opened && this.wish === wish && !this.ending.signal.aborted;
  }

  async #open(signal) {
    const told = (text, done = 0, total = 0) =>
      this.wait(text, total > 1 ? done / total : null, true);
    try {
      const planned = await plan(this.node);
      if (this.ready && planned.signature === this.session.signature) return true;
      this.mode = "opening";
      this.changed();
      const { keeper, session } = this;
      const asText = keeper.walk.kind === "text";
      const opened = await session.open(planned, keeper.forServer, quality(), told, signal);
      const walk = asText && opened.ticks ? fromJSON(await session.readWalk()) : null;
      this.#entered(opened, walk);
      return true;
    } catch (error) {
      if (this.mode === "opening") this.mode = this.session.alive ? "paused" : "idle";
      if (error.name !== "AbortError") this.notice(error.message, "error");
      return false;
    } finally {
      this.wait("");
      this.changed();
    }
  }

  #entered(opened, walk) {
    const { embodiment, changed } = opened;
    const atEnd = this.cursor >= this.ticks;
    this.embodiment = embodiment;
    this.rate = embodiment.tick_rate;
    this.keeper.enter(opened, walk);
    if (atEnd) this.cursor = this.ticks;
    this.mode = "paused";
    this.opened(embodiment);
    if (changed?.length) {
      const what = changed.map((name) => t(`changed.${name}`)).join(", ");
      this.notice(t("changed", { what }), "warning");
    }
  }

  #events() {
    return {
      state: () => this.#stateTold(),
      progress: (done, total) => this.progress(done, total),
      message: (message) => this.#message(message),
      event: (answer) => this.said(answer),
      failed: (text) => {
        if (this.mode === "playing") this.#finish();
        else if (this.mode === "watching") this.mode = "paused";
        this.#ended(text, "error");
      },
      lost: () => {
        this.wasPlaying = this.mode === "playing";
        this.quiet();
        this.mode = "lost";
        this.#ended();
      },
      back: (opened) => {
        this.mode = "paused";
        // What the server made meanwhile was never seen; before the first tick of a recording from the
        // middle that is all that took the place of the rest.
        if (this.wasPlaying && !this.moved) this.session.pause(this.cursor);
        else if (opened.ticks > this.ticks) this.session.pause(this.ticks);
        this.notice(t("backAgain"));
        this.cameBack(this.wasPlaying);
        this.changed();
      },
      gone: (why) => {
        this.quiet();
        if (this.mode !== "opening") this.mode = "idle";
        this.#ended(why, "warning");
      },
    };
  }

  // The connection is back after it was lost.
  cameBack() {
    this.goTo(this.cursor);
  }

  #ended(text = "", kind = "info") {
    this.commit();
    if (text) this.notice(text, kind);
    this.changed();
  }

  #stateTold() {
    const { state, why, expected } = this.session;
    if (state === "playing" && this.mode === "playing") this.began();
    if (state === "waiting") this.sound.stop();
    if (state === "paused" && !expected) {
      if (this.mode === "playing") {
        this.quiet();
        this.mode = "paused";
        this.commit();
      } else if (this.mode === "watching") {
        this.mode = "paused";
        this.accepting = false;
        this.sound.stopSoon();
      }
      if (why) this.notice(why, "warning");
    }
    this.changed();
  }

  // The recording ends with the last tick that came: what the server made beyond it was never
  // seen and is cut off.
  #finish() {
    this.quiet();
    this.session.pause(this.moved ? this.ticks : this.cursor);
    this.mode = "paused";
    this.commit();
  }

  #stopWatching() {
    this.quiet();
    this.session.pause();
    this.session.seek(this.cursor);
    this.mode = "paused";
  }

  // No device reaches the world, no late tick the walk, and there is silence.
  quiet() {
    this.accepting = false;
    this.stilled();
    this.pressed.length = 0;
    this.sound.stop();
    this.#countGaps();
  }

  #countGaps() {
    const { underruns, bridged } = this.sound;
    Object.assign(this.stats, { underruns, bridged });
  }

  #commitSoon() {
    clearTimeout(this.commitTimer);
    this.commitTimer = setTimeout(() => {
      if (this.mode !== "playing") this.commit();
      this.changed();
    }, COMMIT_AFTER_MS);
  }

  // ---------------------------------------------------------------- ticks

  #message(message) {
    const { header } = message;
    const ack = () => this.session.ack(header.n);
    if (header.kind === "still") {
      const first = (drawn) => {
        ack();
        if (drawn) this.drew(header.tick);
      };
      this.picture.show(message, 0, { first });
      this.changed();
      return;
    }
    this.stats.received++;
    if (!this.accepting || (header.rows.length && !this.#record(header))) {
      ack();
      return;
    }
    this.cursor = header.tick;
    this.stats.dropped += Math.max(0, header.rows.length - 1);
    const times = this.pace.times(header, performance.now(), this.mode !== "paused");
    this.sound.add(message, times);
    this.#countGaps();
    const first = (drawn) => {
      if (drawn) this.#drawn(header);
      else this.stats.dropped++;
    };
    this.picture.show(message, 1000 / this.rate, { at: times.seen, ready: ack, first });
    this.ticked();
  }

  #record(header) {
    const { keeper } = this;
    const start = header.tick - header.rows.length;
    if (start < keeper.ticks) this.cut(start);
    if (!keeper.append(header)) {
      this.#finish();
      this.notice(t("gap"), "warning");
      this.changed();
      return false;
    }
    this.moved = true;
    keeper.copy();
    return true;
  }

  #drawn({ tick, seqs }) {
    const { stats, pressed } = this;
    const now = performance.now();
    const answered = seqs?.at(-1) ?? 0;
    while (pressed.length && pressed[0][0] <= answered) {
      stats.keyToPixel.push(now - pressed.shift()[1]);
    }
    if (stats.keyToPixel.length > KEPT_LATENCIES) stats.keyToPixel.shift();
    if (stats.firstPictureMs === null && this.playedAt && this.mode === "playing") {
      stats.firstPictureMs = now - this.playedAt;
    }
    this.drew(tick);
  }
}
