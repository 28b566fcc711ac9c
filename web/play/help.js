// The help that lies over the picture: the keys of this world, and why a device is missing.
import { gamepadSupport } from "./gamepad.js";
import { keyName, keyboardLayout } from "./keys.js";
import { keyOf } from "./settings.js";
import { has, t } from "./text.js";

const GAMEPAD = { ready: "helpPadReady", insecure: "helpPadInsecure", missing: "helpPadMissing" };
// Before a world was opened its controls are not known; these are those of rooms.
const USUAL = [
  ["W", "KeyW"],
  ["A", "KeyA"],
  ["S", "KeyS"],
  ["D", "KeyD"],
  ["jump", "Space"],
  ["push", "KeyE"],
  ["throw", "KeyQ"],
].map(([name, code]) => ({ name, code, label: name }));

// Fills `panel` with the help for an embodiment, or for the usual one.
export async function fillHelp(panel, embodiment) {
  const layout = await keyboardLayout();
  const buttons = embodiment?.controls.filter(({ kind }) => kind === "button") ?? USUAL;
  const list = element("dl");
  const row = (keys, text) => list.append(element("dt", keys), element("dd", text));
  for (const spec of buttons) {
    const known = has(`control.${spec.name}`);
    row(keyName(keyOf(spec), layout), known ? t(`control.${spec.name}`) : spec.label || spec.name);
  }
  row(t("helpLook"), t("helpLookName"));
  row("Enter", t("helpPlay"));
  row("Esc", t("helpLeave"));
  panel.replaceChildren(
    element("h3", t("helpTitle")),
    list,
    ...["helpEvents", "helpWalk", "helpRebind", "helpTouch", GAMEPAD[gamepadSupport()]].map(
      (name) => element("p", t(name)),
    ),
  );
}

function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
