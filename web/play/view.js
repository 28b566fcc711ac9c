// The player's elements. It shows what it is told and calls `actions`; it knows nothing of worlds.
import { icon } from "./icons.js";
import { t } from "./text.js";

const NOTICE_MS = 7000;
const MOST_NOTICES = 3;
const STYLE = new URL("./player.css", import.meta.url).href;
let css; // the sheet's text, fetched once: a style element inside the player moves with it

export class View {
  constructor() {
    this.buttons = {};
    this.canvas = make("canvas", "gwm-play-canvas", {
      width: 256,
      height: 160,
      tabIndex: 0,
      role: "application",
      "aria-label": t("picture"),
    });
    this.touchLayer = make("div", "gwm-play-touch");
    this.badge = make("div", "gwm-play-badge", { hidden: true });
    this.hint = make("div", "gwm-play-hint", { hidden: true });
    this.notices = make("div", "gwm-play-notices", { role: "status", "aria-live": "polite" });
    this.helpPanel = make("div", "gwm-play-help-text");
    this.help = make("div", "gwm-play-help", {
      hidden: true,
      role: "dialog",
      "aria-label": t("helpTitle"),
    });
    this.help.append(this.#button("help", "close", t("close"), "gwm-play-x"), this.helpPanel);
    this.picture = make("div", "gwm-play-picture");
    this.picture.append(
      this.canvas,
      this.touchLayer,
      this.#overlay(),
      this.badge,
      this.hint,
      this.notices,
      this.help,
    );
    this.timeline = make("div", "gwm-play-timeline", {
      tabIndex: 0,
      role: "slider",
      "aria-label": t("timeline"),
      "aria-valuemin": 0,
    });
    this.timeline.append(
      make("canvas"),
      make("div", "gwm-play-cursor"),
      make("div", "gwm-play-tip", { hidden: true }),
    );
    this.controls = make("div", "gwm-play-controls");
    this.controls.append(this.timeline, this.#toolbar(), this.#line(), this.#status());
    this.root = make("div", "gwm-play", { tabIndex: -1 });
    this.root.style.visibility = "hidden"; // until its style is there
    this.root.append(make("style"), this.picture, this.controls);
    this.#dress();
  }

  // actions: play, watch, start, back, step, record, branch, reset, shot, mute, full, help,
  // cancel, event(text), leave.
  use(actions, signal) {
    this.actions = actions;
    this.signal = signal;
    this.root.addEventListener("click", (event) => this.#click(event), { signal });
    this.#listenToLine();
    this.#guard();
  }

  // Keyboard and mouse go to the world.
  focus() {
    this.canvas.focus({ preventScroll: true });
  }

  get focused() {
    return this.root.contains(this.root.ownerDocument.activeElement);
  }

  // What the player does: {mode, at: "start" | "end" | "middle", blocked, watchable}.
  show({ mode, at, blocked, watchable }) {
    const active = mode === "playing" || mode === "watching";
    const idle = mode === "idle" || mode === "paused";
    this.root.dataset.mode = mode;
    this.#face("play", active ? "pause" : "play", active ? t("pause") : t("play"));
    this.#face(
      "record",
      mode === "playing" ? "stop" : "record",
      t(mode === "playing" ? "recordStop" : "record"),
    );
    this.buttons.record.classList.toggle("is-on", mode === "playing");
    this.big.hidden = !idle || Boolean(blocked);
    this.bigLabel.textContent = t({ start: "playBig", end: "goOn", middle: "goOnFrom" }[at]);
    this.bigSmall.textContent = at === "middle" ? t("replaces") : "";
    this.blocked.hidden = !blocked;
    this.blocked.textContent = blocked || "";
    for (const name of ["play", "record", "step", "start", "back"]) {
      this.buttons[name].disabled = Boolean(blocked) || mode === "opening";
    }
    for (const name of ["start", "back", "watch", "reset"])
      this.buttons[name].disabled ||= at === "start" && !watchable;
    this.buttons.watch.disabled = Boolean(blocked) || !watchable || mode === "opening" || active;
    this.buttons.reset.disabled = !watchable || mode === "opening";
    this.eventField.disabled = Boolean(blocked);
    this.#clearPicture();
  }

  // Something takes time: text, part 0..1 (or null), and whether it can be cancelled.
  wait(text, part = null, cancellable = false) {
    this.waiting.hidden = !text;
    this.#clearPicture();
    if (!text) return;
    this.waitText.textContent = text;
    this.waitBar.hidden = part === null;
    this.waitBar.firstChild.style.width = `${Math.round(100 * (part ?? 0))}%`;
    this.buttons.cancel.hidden = !cancellable;
  }

  // A sentence that goes by itself; `kind` "warning" stays until it is closed.
  notice(text, kind = "info") {
    if (!text) return;
    for (const old of this.notices.children) if (old.dataset.text === text) old.remove();
    const line = make("div", `gwm-play-notice is-${kind}`);
    line.dataset.text = text;
    const close = this.#plain("close", t("close"));
    line.append(make("span", "", {}, text), close);
    this.notices.append(line);
    while (this.notices.children.length > MOST_NOTICES) this.notices.firstChild.remove();
    if (kind === "info") setTimeout(() => line.remove(), NOTICE_MS);
  }

  setBadge(text) {
    this.badge.hidden = !text;
    if (text) this.badge.lastChild.textContent = text;
  }

  setHint(text) {
    this.hint.hidden = !text;
    this.hint.textContent = text || "";
  }

  // left, right: short texts.
  setStatus(left, right) {
    if (this.statusLeft.textContent !== left) this.statusLeft.textContent = left;
    if (this.statusRight.textContent !== right) this.statusRight.textContent = right;
  }

  // What the model made of an event.
  said(text, warning) {
    this.eventSaid.textContent = text;
    this.eventSaid.title = text;
    this.eventSaid.classList.toggle("is-warning", Boolean(warning));
  }

  setMuted(muted) {
    this.#face("mute", muted ? "silent" : "sound", t(muted ? "unmute" : "mute"));
    this.buttons.mute.setAttribute("aria-pressed", muted);
  }

  setFull(full) {
    this.#face("full", full ? "unfull" : "full", t(full ? "unfull" : "full"));
  }

  toggleHelp(open = this.help.hidden) {
    this.help.hidden = !open;
    this.buttons.helpButton.setAttribute("aria-expanded", open);
  }

  // Layers over a moving picture cost time even when they are empty.
  #clearPicture() {
    this.overlay.hidden = [this.big, this.waiting, this.blocked].every(({ hidden }) => hidden);
  }

  #overlay() {
    const overlay = make("div", "gwm-play-overlay");
    this.overlay = overlay;
    this.big = make("button", "gwm-play-big", { type: "button", "data-gwm": "big" });
    this.big.dataset.action = "play";
    const disc = make("span", "gwm-play-disc");
    disc.append(icon("play"));
    this.bigLabel = make("span", "gwm-play-big-label");
    this.bigSmall = make("span", "gwm-play-big-small");
    this.big.append(disc, this.bigLabel, this.bigSmall);
    this.waiting = make("div", "gwm-play-waiting", { hidden: true, role: "status" });
    this.waitText = make("span");
    this.waitBar = make("div", "gwm-play-bar");
    this.waitBar.append(make("i"));
    const cancel = make("button", "gwm-play-cancel", { type: "button" }, t("cancel"));
    cancel.dataset.action = "cancel";
    this.buttons.cancel = cancel;
    this.waiting.append(make("span", "gwm-play-spinner"), this.waitText, this.waitBar, cancel);
    this.blocked = make("div", "gwm-play-blocked", { hidden: true });
    this.badge.append(make("i"), make("span"));
    overlay.append(this.big, this.waiting, this.blocked);
    return overlay;
  }

  #toolbar() {
    const bar = make("div", "gwm-play-toolbar", { role: "toolbar", "aria-label": "Play World" });
    const group = (...names) => {
      const part = make("div", "gwm-play-group");
      part.append(...names.map(([name, look, title]) => this.#button(name, look, title)));
      bar.append(part);
    };
    group(
      ["start", "start", t("start")],
      ["back", "back", t("back")],
      ["play", "play", t("play")],
      ["step", "step", t("step")],
      ["record", "record", t("record")],
      ["watch", "watch", t("watch")],
    );
    group(["branch", "branch", t("branch")], ["reset", "reset", t("reset")]);
    bar.append(make("div", "gwm-play-space"));
    group(
      ["shot", "shot", t("shot")],
      ["mute", "sound", t("mute")],
      ["full", "full", t("full")],
      ["helpButton", "help", t("help")],
    );
    return bar;
  }

  #line() {
    const line = make("form", "gwm-play-line");
    this.eventField = make("input", "gwm-play-event", {
      type: "text",
      maxLength: 500,
      placeholder: t("event"),
      title: t("eventLabel"),
      "aria-label": t("eventLabel"),
      autocomplete: "off",
      spellcheck: false,
    });
    this.eventSaid = make("span", "gwm-play-said", { role: "status", "aria-live": "polite" });
    line.append(this.eventField, this.eventSaid);
    return line;
  }

  #status() {
    const status = make("div", "gwm-play-status");
    this.statusLeft = make("span");
    this.statusRight = make("span");
    status.append(this.statusLeft, this.statusRight);
    return status;
  }

  #button(name, look, title, extra = "") {
    const button = make("button", `gwm-play-button ${extra}`, { type: "button", "data-gwm": name });
    button.append(icon(look));
    button.dataset.look = look;
    label(button, title);
    button.dataset.action = name === "helpButton" ? "help" : name;
    if (!extra) this.buttons[name] = button;
    return button;
  }

  #plain(look, title) {
    const button = make("button", "gwm-play-x", { type: "button" });
    button.append(icon(look));
    label(button, title);
    return button;
  }

  #click(event) {
    const button = event.target.closest?.("button");
    if (!button || !this.root.contains(button)) return;
    if (button.dataset.action) this.actions[button.dataset.action]();
    else button.closest(".gwm-play-notice")?.remove();
  }

  #face(name, look, title) {
    const button = this.buttons[name];
    if (button.dataset.look !== look) {
      button.dataset.look = look;
      button.replaceChildren(icon(look));
    }
    if (button.title !== title) label(button, title);
  }

  #listenToLine() {
    const { signal, eventField } = this;
    const submit = (event) => {
      event.preventDefault();
      const text = eventField.value.trim();
      if (!text) return;
      eventField.value = "";
      this.actions.event(text);
    };
    eventField.form.addEventListener("submit", submit, { signal });
    // Its clipboard and undo are the field's own, not the graph's.
    for (const type of ["copy", "cut", "paste"]) {
      eventField.addEventListener(type, (event) => event.stopPropagation(), { signal });
    }
  }

  // Keys and clicks inside the player are not the host's. The picture takes its own keys itself.
  #guard() {
    const { root, signal } = this;
    const keys = (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || /^(Tab|F\d+)$/.test(event.key)) return;
      event.stopPropagation();
      if (event.type === "keydown" && event.key === "Escape") this.actions.leave();
    };
    for (const type of ["keydown", "keyup", "keypress"])
      root.addEventListener(type, keys, { signal });
    const main = (event) => {
      // The middle button pans the graph, wherever it is pressed.
      if (event.button !== 1 && !(event.buttons & 4)) event.stopPropagation();
    };
    for (const type of ["pointerdown", "pointermove", "pointerup"]) {
      root.addEventListener(type, main, { signal });
    }
    root.addEventListener("dblclick", (event) => event.stopPropagation(), { signal });
  }

  async #dress() {
    try {
      css ??= fetch(STYLE).then((reply) => (reply.ok ? reply.text() : ""));
      this.root.firstChild.textContent = await css;
    } finally {
      this.root.style.visibility = "";
    }
  }
}

export function label(button, title) {
  button.title = title;
  button.setAttribute("aria-label", title);
}

export function make(tag, className = "", attributes = {}, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && name !== "role" && typeof value !== "object") element[name] = value;
    else element.setAttribute(name, value);
  }
  if (text) element.textContent = text;
  return element;
}
