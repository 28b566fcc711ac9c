// The panel's elements. It shows what it is told and calls `actions`; it knows nothing of avatars.
import { icon } from "../play/icons.js";
import { label, make } from "../play/view.js";
import { t } from "./text.js";

const NOTICE_MS = 9000;
const MOST_NOTICES = 3;
const KINDS = ["none", "mic", "file"];
const STYLES = ["../play/player.css", "./panel.css"].map(
  (name) => new URL(name, import.meta.url).href,
);
let css;

export class AvatarView {
  // actions: start, stop, record, forget, source(side, kind, file)
  constructor(actions, signal) {
    this.actions = actions;
    this.signal = signal;
    this.root = make("div", "gwm-play gwm-avatar", { tabIndex: -1, "aria-label": t("panel") });
    this.root.style.visibility = "hidden"; // until its style is there
    this.canvas = make("canvas", "gwm-play-canvas", { width: 256, height: 256 });
    this.notices = make("div", "gwm-play-notices", { role: "status", "aria-live": "polite" });
    this.badge = make("div", "gwm-play-badge", { hidden: true });
    this.badge.append(make("i"), make("span"));
    const picture = make("div", "gwm-play-picture");
    picture.append(this.canvas, this.#overlay(), this.badge, this.notices);
    const controls = make("div", "gwm-play-controls");
    this.sides = { own: this.#side("own", "mic"), other: this.#side("other", "none") };
    controls.append(this.sides.own.row, this.sides.other.row, this.#toolbar());
    this.root.append(make("style"), picture, controls);
    this.#guard();
    this.#dress();
  }

  // mode: "idle", "opening" or "live"; recording: whether a take is kept.
  show({ mode, recording }) {
    this.root.dataset.mode = mode === "live" && recording ? "playing" : mode;
    this.big.hidden = mode !== "idle";
    this.waiting.hidden = mode !== "opening";
    this.overlay.hidden = mode === "live";
    this.buttons.start.replaceChildren(icon(mode === "live" ? "stop" : "play"));
    label(this.buttons.start, t(mode === "live" ? "stop" : "start"));
    this.buttons.start.disabled = mode === "opening";
    this.buttons.record.disabled = mode !== "live";
    this.buttons.record.replaceChildren(icon(recording ? "stop" : "record"));
    this.buttons.record.classList.toggle("is-on", recording);
    label(this.buttons.record, t(recording ? "recordStop" : "record"));
  }

  wait(text) {
    this.waitText.textContent = text;
  }

  // What speaks for a side: "none", "mic" or "file", and the file's name.
  setSource(side, kind, name = "") {
    const { buttons } = this.sides[side];
    for (const each of KINDS) {
      buttons[each].classList.toggle("is-chosen", each === kind);
      buttons[each].setAttribute("aria-pressed", each === kind);
    }
    buttons.file.textContent = kind === "file" && name ? name : t("file");
    buttons.file.title = name;
  }

  setBadge(text) {
    this.badge.hidden = !text;
    this.badge.lastChild.textContent = text;
  }

  setStatus(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  setTake(file) {
    this.take.textContent = file ? t("take", { file }) : t("noTake");
    this.buttons.forget.hidden = !file;
  }

  // A sentence that goes by itself; `kind` "warning" stays until it is closed.
  notice(text, kind = "info") {
    if (!text) return;
    for (const old of [...this.notices.children]) if (old.dataset.text === text) old.remove();
    const line = make("div", `gwm-play-notice is-${kind}`);
    line.dataset.text = text;
    const close = make("button", "gwm-play-x", { type: "button" });
    close.append(icon("close"));
    label(close, "×");
    close.onclick = () => line.remove();
    line.append(make("span", "", {}, text), close);
    this.notices.append(line);
    while (this.notices.children.length > MOST_NOTICES) this.notices.firstChild.remove();
    if (kind === "info") setTimeout(() => line.remove(), NOTICE_MS);
  }

  #overlay() {
    this.overlay = make("div", "gwm-play-overlay");
    this.big = make("button", "gwm-play-big", { type: "button", "data-gwm": "big" });
    const disc = make("span", "gwm-play-disc");
    disc.append(icon("play"));
    this.big.append(disc, make("span", "gwm-play-big-label", {}, t("start")));
    this.big.onclick = () => this.actions.start();
    this.waiting = make("div", "gwm-play-waiting", { hidden: true, role: "status" });
    this.waitText = make("span");
    this.waiting.append(make("span", "gwm-play-spinner"), this.waitText);
    this.overlay.append(this.big, this.waiting);
    return this.overlay;
  }

  #side(side, chosen) {
    const row = make("div", "gwm-avatar-side", { role: "group", "aria-label": t(side) });
    row.append(make("span", "gwm-avatar-name", {}, t(side)));
    const choice = make("div", "gwm-avatar-choice");
    const field = make("input", "", { type: "file", accept: "audio/*,video/*", hidden: true });
    field.dataset.gwm = `${side}-field`;
    field.onchange = () => {
      const [file] = field.files;
      field.value = "";
      if (file) this.actions.source(side, "file", file);
    };
    const buttons = {};
    for (const kind of KINDS) {
      const button = make("button", "gwm-avatar-kind", { type: "button" }, t(kind));
      button.dataset.gwm = `${side}-${kind}`;
      button.onclick = () => {
        if (kind === "file") field.click();
        else this.actions.source(side, kind);
      };
      buttons[kind] = button;
      choice.append(button);
    }
    buttons[chosen].classList.add("is-chosen");
    row.append(choice, field);
    return { row, buttons };
  }

  #toolbar() {
    const bar = make("div", "gwm-play-toolbar", { role: "toolbar", "aria-label": t("panel") });
    this.buttons = {};
    const button = (name, look, act) => {
      const one = make("button", "gwm-play-button", { type: "button", "data-gwm": name });
      one.append(icon(look));
      label(one, t(name));
      one.onclick = act;
      this.buttons[name] = one;
      return one;
    };
    const group = make("div", "gwm-play-group");
    group.append(
      button("start", "play", () => this.actions.start()),
      button("record", "record", () => this.actions.record()),
    );
    this.take = make("span", "gwm-avatar-take");
    this.status = make("span", "gwm-avatar-status");
    const forget = button("forget", "reset", () => this.actions.forget());
    bar.append(group, this.take, forget, make("div", "gwm-play-space"), this.status);
    return bar;
  }

  // Keys and clicks inside the panel are not the host's.
  #guard() {
    const { root, signal } = this;
    for (const type of ["keydown", "keyup", "keypress"]) {
      root.addEventListener(
        type,
        (event) => {
          const hosts = event.ctrlKey || event.altKey || event.metaKey || /^F\d+$/.test(event.key);
          if (!hosts) event.stopPropagation();
        },
        { signal },
      );
    }
    for (const type of ["pointerdown", "pointermove", "pointerup", "dblclick"]) {
      root.addEventListener(
        type,
        (event) => {
          if (event.button !== 1 && !(event.buttons & 4)) event.stopPropagation();
        },
        { signal },
      );
    }
  }

  async #dress() {
    try {
      css ??= Promise.all(
        STYLES.map((style) => fetch(style).then((reply) => (reply.ok ? reply.text() : ""))),
      );
      this.root.firstChild.textContent = (await css).join("\n");
    } finally {
      this.root.style.visibility = "";
    }
  }
}
