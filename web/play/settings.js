// ComfyUI settings of the player: every key by its place on the keyboard, the mouse, the picture.
import { setSetting, setting } from "./host.js";
import { keyboardLayout, keyName } from "./keys.js";
import { t } from "./text.js";

const CATEGORY = "GWM";
const MOUSE = "gwm.play.mouse";
const INVERT = "gwm.play.invert";
const QUALITY = "gwm.play.quality";
const STAY = "gwm.play.stay";
const DEFAULT_MOUSE = 0.12;

// Controls of the worlds that exist; those of others keep the keys that their model names.
const KEYS = {
  W: "KeyW",
  A: "KeyA",
  S: "KeyS",
  D: "KeyD",
  jump: "Space",
  push: "KeyE",
  throw: "KeyQ",
};
const keyId = (name) => `gwm.play.key.${name}`;

export function playSettings() {
  const section = t("settingsSection");
  const entry = (id, name, rest) => ({ id, name, category: [CATEGORY, section, id], ...rest });
  // Shown from the last to the first.
  return [
    entry(STAY, t("settingStay"), {
      type: "boolean",
      defaultValue: false,
      tooltip: t("settingStayTip"),
    }),
    entry(QUALITY, t("settingQuality"), {
      type: "combo",
      defaultValue: "auto",
      options: ["auto", "lossless", "small"],
      tooltip: t("settingQualityTip"),
    }),
    entry(INVERT, t("settingInvert"), { type: "boolean", defaultValue: false }),
    entry(MOUSE, t("settingMouse"), {
      type: "slider",
      defaultValue: DEFAULT_MOUSE,
      attrs: { min: 0.02, max: 0.6, step: 0.01 },
      tooltip: t("settingMouseTip"),
    }),
    ...Object.entries(KEYS)
      .reverse()
      .map(([name, code]) =>
        entry(keyId(name), t(`control.${name}`), {
          type: (_, set, value) => keyField(name, set, value ?? code),
          defaultValue: code,
          tooltip: t("settingKeyTip"),
        }),
      ),
  ];
}

// event.code -> control, for the buttons of an embodiment.
export function bindings(buttons) {
  const map = new Map();
  for (const spec of buttons) {
    const code = keyOf(spec);
    if (code && !map.has(code)) map.set(code, spec.name);
  }
  return map;
}

// The key that drives a control.
export function keyOf(spec) {
  return setting(keyId(spec.name), spec.code) || spec.code;
}

export function mouse() {
  const up = Number(setting(MOUSE, DEFAULT_MOUSE)) || DEFAULT_MOUSE;
  return { right: up, up: inverted() ? -up : up };
}

export function inverted() {
  return Boolean(setting(INVERT, false));
}

export function quality() {
  const value = setting(QUALITY, "auto");
  return ["auto", "lossless", "small"].includes(value) ? value : "auto";
}

// Whether worlds go on when the person turns to something else on the page.
export function stays() {
  return Boolean(setting(STAY, false));
}

export function isMuted() {
  try {
    return localStorage.getItem("gwm.play.muted") === "1";
  } catch {
    return false;
  }
}

export function keepMuted(muted) {
  try {
    if (muted) localStorage.setItem("gwm.play.muted", "1");
    else localStorage.removeItem("gwm.play.muted");
  } catch {
    // Forbidden storage: it is kept for this player only.
  }
}

// A button that shows a key and, pressed, waits for another one.
function keyField(name, set, value) {
  const box = document.createElement("div");
  Object.assign(box.style, { display: "flex", gap: "6px", justifyContent: "flex-end" });
  const button = plainButton(t("settingKeyPress"));
  Object.assign(button.style, { minWidth: "7em" });
  const reset = plainButton(t("settingKeyReset"));
  reset.textContent = "↺";
  reset.disabled = value === KEYS[name];
  reset.style.opacity = reset.disabled ? 0.35 : 1;
  reset.onclick = () => choose(name, KEYS[name], value, set);
  let waiting = false;
  const show = (layout = null) => {
    button.textContent = waiting ? t("settingKeyWaiting") : keyName(value, layout);
    button.style.borderColor = waiting
      ? "var(--primary-background, #0b8ce9)"
      : "var(--border-color)";
  };
  button.onclick = () => {
    waiting = true;
    show();
  };
  button.onblur = () => {
    waiting = false;
    keyboardLayout().then(show);
  };
  button.onkeydown = (event) => {
    if (!waiting || event.code === "Tab" || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    waiting = false;
    if (event.code === "Escape" || !event.code) show();
    else choose(name, event.code, value, set);
  };
  show();
  keyboardLayout().then((layout) => layout && show(layout));
  box.append(button, reset);
  return box;
}

// A key drives one control: the one that had it gets this one's.
function choose(name, code, before, set) {
  for (const other of Object.keys(KEYS)) {
    if (other !== name && setting(keyId(other), KEYS[other]) === code) {
      setSetting(keyId(other), before);
    }
  }
  set(code);
}

function plainButton(title) {
  const button = document.createElement("button");
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  Object.assign(button.style, {
    padding: "4px 10px",
    borderRadius: "6px",
    border: "1px solid var(--border-color)",
    background: "var(--comfy-input-bg)",
    color: "var(--input-text)",
    cursor: "pointer",
  });
  return button;
}
