// What is held, whichever device holds it, and the messages that tell the server.
// Each message has a number; the server says with every tick which one it has used.

const FLUSH_MS = 12;

export class Input {
  // send(message) tells the server; pressed(number) marks the moment of a press or release.
  constructor(send, pressed) {
    this.send = send;
    this.pressed = pressed;
    this.number = 0;
    this.live = false;
    this.holders = new Map(); // control name -> set of devices that hold it
    this.axes = new Map(); // control name -> values of a stick
    this.turn = [0, 0];
    this.flushed = 0;
    this.timer = 0;
    this.use(null);
  }

  // The controls of an embodiment: buttons, and the axis that follows the mouse.
  use(embodiment) {
    const controls = embodiment?.controls ?? [];
    this.buttons = controls.filter((spec) => spec.kind === "button");
    this.looking = controls.find((spec) => spec.accumulate && spec.components.length === 2) ?? null;
    this.releaseAll();
  }

  button(name) {
    return this.buttons.find((spec) => spec.name === name);
  }

  press(device, name) {
    const holders = this.holders.get(name) ?? new Set();
    const first = holders.size === 0;
    holders.add(device);
    this.holders.set(name, holders);
    if (first) this.#tell({ [name]: 1 }, true);
  }

  release(device, name) {
    const holders = this.holders.get(name);
    if (!holders?.delete(device) || holders.size) return;
    this.holders.delete(name);
    this.#tell({ [name]: 0 }, true);
  }

  releaseDevice(device) {
    for (const name of [...this.holders.keys()]) this.release(device, name);
  }

  // Nothing is held any more; the server is told if it plays.
  releaseAll() {
    const held = this.holders.size > 0;
    this.holders.clear();
    this.turn = [0, 0];
    clearTimeout(this.timer);
    this.timer = 0;
    if (held && this.live) this.send({ type: "release" });
  }

  // Turn by degrees to the right and up; motion adds up and is told at most every FLUSH_MS.
  look(right, up) {
    if (!this.live || !this.looking) return;
    this.turn[0] += right;
    this.turn[1] += up;
    if (this.timer) return;
    const wait = FLUSH_MS - (performance.now() - this.flushed);
    if (wait <= 0) this.#flush();
    else this.timer = setTimeout(() => this.#flush(), wait);
  }

  // The server has begun to play: it knows nothing of what is held already.
  begin() {
    this.live = true;
    const held = Object.fromEntries([...this.holders.keys()].map((name) => [name, 1]));
    if (Object.keys(held).length) this.#tell(held, true);
  }

  // A single step uses what is held now.
  tellHeld() {
    this.live = true;
    this.begin();
    this.live = false;
  }

  end() {
    this.live = false;
    this.releaseAll();
  }

  #flush() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.flushed = performance.now();
    const [right, up] = this.turn;
    this.turn = [0, 0];
    if (this.live && this.looking && (right || up)) {
      this.#tell({ [this.looking.name]: [round(right), round(up)] }, false);
    }
  }

  #tell(held, isPress) {
    if (!this.live) return;
    this.number++;
    if (isPress) this.pressed(this.number);
    this.send({ type: "controls", seq: this.number, held });
  }
}

function round(degrees) {
  return Math.round(degrees * 1e4) / 1e4;
}
