// Keeps the view in step with the player; while it plays, at most four times a second.
import { clock, t } from "./text.js";

const CALM_MS = 250;
const HINT_MS = 6000;
const SPEED_TICKS = 24;
const LATENCIES = 12;

export class Face {
  constructor(player) {
    this.player = player;
    this.timer = 0;
    this.blocked = null;
    this.shownMode = "";
    this.hintUntil = 0;
  }

  dispose() {
    clearTimeout(this.timer);
  }

  // A tick has come.
  tick() {
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      this.#draw(true);
    }, CALM_MS);
  }

  // Something else has changed.
  refresh() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.#draw(this.player.mode === "playing" || this.player.mode === "watching");
  }

  // Now and then, for what nobody tells.
  look() {
    if (this.blocked !== this.player.blocked) this.refresh();
    else if (this.hintUntil) this.#hint();
  }

  progress(done, total) {
    this.player.view.wait(t("busy"), total ? done / total : null);
  }

  // What the model made of an event.
  said({ understood = [], ignored = [] }) {
    const known = understood.length && t("eventKnown", { words: understood.join(", ") });
    const unknown = ignored.length && t("eventUnknown", { words: ignored.join(", ") });
    const parts = [known, unknown].filter(Boolean);
    this.player.view.said(parts.join(" · ") || t("eventNothing"), !known);
  }

  #draw(calm) {
    const { player } = this;
    const { view, mode, cursor, ticks, blocked, rate, track, keeper } = player;
    this.blocked = blocked;
    const watchable = ticks > 0 || !["empty", "walk"].includes(keeper.walk.kind);
    const at = cursor < ticks ? "middle" : cursor > 0 ? "end" : "start";
    const look = `${mode} ${at} ${watchable} ${blocked}`;
    if (look !== this.shownMode) {
      if (mode === "playing" && !this.shownMode.startsWith("playing")) {
        this.hintUntil = performance.now() + HINT_MS;
      }
      this.shownMode = look;
      view.show({ mode, at, blocked, watchable: watchable || Boolean(track?.events.length) });
    }
    this.#wait();
    const active = mode === "playing" || mode === "watching";
    view.setBadge(active ? clock(cursor / rate) : "");
    this.#hint();
    player.timeline.update({ ticks, cursor, events: track?.events ?? [], rate }, calm);
    this.#status();
  }

  #wait() {
    const { view, state, session, mode, runs } = this.player;
    if (mode === "opening" || runs.run) return; // they tell for themselves
    if (state === "lost") view.wait(t("lost"));
    else if (state === "waiting") view.wait(session.why || t("waiting"));
    else if (state === "busy" && session.state === "busy") view.wait(t("busy"));
    else view.wait("");
  }

  #hint() {
    const { view, mode, pointer } = this.player;
    const now = performance.now();
    if (mode !== "playing" || now > this.hintUntil) this.hintUntil = 0;
    view.setHint(this.hintUntil ? t(pointer.locked ? "lockedHint" : "lookHint") : "");
  }

  #status() {
    const { view, mode, cursor, ticks, rate, stats, picture } = this.player;
    const time = clock(cursor / rate);
    let left = `${t("statusTick", { tick: cursor })} · ${time}`;
    if (ticks > cursor) left += ` / ${clock(ticks / rate)}`;
    const right = [];
    if (mode === "playing" || mode === "watching") {
      right.push(t("statusFps", { fps: picture.rate }));
      const speed = this.#speed();
      if (speed !== null && speed < 0.95) {
        right.push(t("statusSpeed", { speed: speed.toFixed(2) }));
      }
    }
    const recent = stats.keyToPixel.slice(-LATENCIES).sort((a, b) => a - b);
    if (recent.length) {
      right.push(t("statusKey", { ms: Math.round(recent[recent.length >> 1]) }));
    }
    view.setStatus(left, right.join(" · "));
  }

  // World seconds per second over the last ticks, or null while that is not known.
  #speed() {
    const drawn = this.player.picture.drawn.slice(-SPEED_TICKS);
    if (drawn.length < SPEED_TICKS) return null;
    const [first, last] = [drawn[0], drawn.at(-1)];
    if (last[0] - first[0] < SPEED_TICKS - 1 || last[2] < first[2]) return null;
    return ((last[0] - first[0]) / this.player.rate) * (1000 / (last[1] - first[1]));
  }
}
