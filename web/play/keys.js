// The keyboard of one player: only while its picture has the focus, by the place of a key
// (event.code), never with Ctrl, Alt or Meta. What the picture takes never reaches the host.

// Keys that stay the browser's: moving the focus, reload, full screen, developer tools.
const BROWSERS = /^(Tab|F\d+|PrintScreen|ContextMenu|Audio.*|Media.*|Browser.*)$/;
const MODIFIERS = /^(Control|Alt|Meta|OS|Shift|CapsLock)/;

export class Keys {
  // actions: leave(), command(event) for a combination that is the host's, tap(code) for keys
  // pressed while nothing plays.
  constructor(element, input, bindings, actions, signal) {
    this.input = input;
    this.bindings = bindings;
    this.actions = actions;
    this.down = new Map(); // code -> control it was pressed for
    element.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    element.addEventListener("keyup", (event) => this.#keyup(event), { signal });
    element.addEventListener("keypress", swallow, { signal });
    element.addEventListener("blur", () => this.releaseAll(), { signal });
  }

  releaseAll() {
    this.down.clear();
    this.input.releaseDevice("keys");
  }

  #keydown(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) {
      // The key-up of what is held may be lost to the browser or the host.
      this.releaseAll();
      if (!MODIFIERS.test(event.code)) this.actions.command(event);
      return;
    }
    if (BROWSERS.test(event.code)) return;
    swallow(event);
    if (event.repeat || event.isComposing) return;
    if (event.code === "Escape") {
      this.actions.leave();
      return;
    }
    if (this.actions.tap(event.code)) return;
    const name = this.bindings().get(event.code);
    if (name === undefined || this.down.has(event.code)) return;
    this.down.set(event.code, name);
    this.input.press("keys", name);
  }

  #keyup(event) {
    if (BROWSERS.test(event.code)) return;
    const name = this.down.get(event.code);
    this.down.delete(event.code);
    // Two keys may be bound to one control: the last one lets go.
    if (name !== undefined && ![...this.down.values()].includes(name)) {
      this.input.release("keys", name);
    }
    if (!event.ctrlKey && !event.altKey && !event.metaKey) swallow(event);
  }
}

function swallow(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

// What a person calls a key; `layout` (navigator.keyboard) knows the letters of their keyboard.
export function keyName(code, layout = null) {
  const printed = layout?.get(code);
  if (printed) return printed.toUpperCase();
  return (code || "–")
    .replace(/^Key(?=.$)/, "")
    .replace(/^Digit(?=\d$)/, "")
    .replace(/^Numpad(?=.)/, "Num ")
    .replace(/^Arrow(Up|Down|Left|Right)$/, (_, way) => ARROWS[way]);
}

const ARROWS = { Up: "↑", Down: "↓", Left: "←", Right: "→" };

// The letters of this keyboard, where the browser tells them (secure pages only).
export async function keyboardLayout() {
  try {
    return (await navigator.keyboard?.getLayoutMap?.()) ?? null;
  } catch {
    return null;
  }
}
