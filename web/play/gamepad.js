// A gamepad, polled while the world plays. Browsers give it to secure pages only.

const DEAD = 0.18;
const PRESS = 0.4;
const DEGREES_PER_SECOND = 170;
// Standard mapping: button number -> the key whose control it stands for.
const BUTTONS = {
  0: "Space",
  2: "KeyE",
  5: "KeyQ",
  7: "KeyQ",
  12: "KeyW",
  13: "KeyS",
  14: "KeyA",
  15: "KeyD",
};

export function gamepadSupport() {
  if (!globalThis.isSecureContext) return "insecure";
  return typeof navigator.getGamepads === "function" ? "ready" : "missing";
}

export class Gamepad {
  constructor(input, isInverted) {
    this.input = input;
    this.isInverted = isInverted;
    this.frame = 0;
    this.last = 0;
  }

  // Called with every tick: starts to poll once a gamepad is there.
  notice() {
    if (!this.frame && this.#pad()) {
      this.last = performance.now();
      this.frame = requestAnimationFrame((now) => this.#poll(now));
    }
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.input.releaseDevice("pad");
  }

  #pad() {
    if (gamepadSupport() !== "ready") return null;
    return [...navigator.getGamepads()].find((pad) => pad?.connected && pad.axes.length >= 2);
  }

  #poll(now) {
    const pad = this.#pad();
    if (!pad || !this.input.live) {
      this.stop();
      return;
    }
    const seconds = Math.min(0.1, Math.max(0, now - this.last) / 1000);
    this.last = now;
    const held = new Set();
    const [x, y, lookX = 0, lookY = 0] = pad.axes;
    if (x < -PRESS) held.add("KeyA");
    if (x > PRESS) held.add("KeyD");
    if (y < -PRESS) held.add("KeyW");
    if (y > PRESS) held.add("KeyS");
    pad.buttons.forEach((button, number) => {
      if (button.pressed && BUTTONS[number]) held.add(BUTTONS[number]);
    });
    for (const spec of this.input.buttons) {
      if (held.has(spec.code)) this.input.press("pad", spec.name);
      else this.input.release("pad", spec.name);
    }
    const up = this.isInverted() ? curve(lookY) : -curve(lookY);
    const turn = DEGREES_PER_SECOND * seconds;
    if (curve(lookX) || up) this.input.look(curve(lookX) * turn, up * turn);
    this.frame = requestAnimationFrame((later) => this.#poll(later));
  }
}

// Nothing around the middle, then slow and finally fast.
function curve(value) {
  const size = (Math.abs(value) - DEAD) / (1 - DEAD);
  return size > 0 ? Math.sign(value) * size * size : 0;
}
