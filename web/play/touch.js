// Two thumbs on the picture: the left half moves, the right half looks; the other controls are
// buttons at its edge, shown once a finger touches it.

const STICK_PX = 48;
const DEAD = 0.3;
const LOOK = 2.2; // a thumb moves less than a mouse
const MOVES = { left: "KeyA", right: "KeyD", up: "KeyW", down: "KeyS" };

export class Touch {
  // layer: where stick and buttons are drawn. actions: clicked() for a tap.
  constructor(element, layer, input, degreesPerPixel, actions, signal) {
    this.element = element;
    this.layer = layer;
    this.input = input;
    this.degrees = degreesPerPixel;
    this.actions = actions;
    this.signal = signal;
    this.stick = null;
    this.eye = null;
    element.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    element.addEventListener("pointermove", (event) => this.#move(event), { signal });
    for (const type of ["pointerup", "pointercancel"]) {
      element.addEventListener(type, (event) => this.#up(event), { signal });
    }
  }

  // Buttons for every control that the left thumb does not move.
  use(embodiment) {
    const moves = Object.values(MOVES);
    const buttons = embodiment.controls.filter(
      (spec) => spec.kind === "button" && !moves.includes(spec.code),
    );
    this.ring ??= this.layer.appendChild(document.createElement("div"));
    this.ring.className = "gwm-play-stick";
    this.ring.hidden = true;
    const row = document.createElement("div");
    row.className = "gwm-play-thumbs";
    row.append(...buttons.map((spec) => this.#button(spec)));
    this.row?.remove();
    this.row = this.layer.appendChild(row);
  }

  releaseAll() {
    this.stick = this.eye = null;
    if (this.ring) this.ring.hidden = true;
    this.input.releaseDevice("touch");
    this.input.releaseDevice("thumbs");
  }

  #button(spec) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.textContent = spec.name;
    button.title = spec.label || spec.name;
    const { signal } = this;
    button.addEventListener(
      "pointerdown",
      (event) => {
        event.preventDefault();
        button.setPointerCapture(event.pointerId);
        this.input.press("thumbs", spec.name);
      },
      { signal },
    );
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(type, () => this.input.release("thumbs", spec.name), { signal });
    }
    return button;
  }

  #down(event) {
    if (event.pointerType !== "touch") return;
    event.preventDefault();
    this.layer.classList.add("is-touched");
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const box = this.element.getBoundingClientRect();
    const thumb = { id: event.pointerId, x: event.clientX, y: event.clientY, moved: 0 };
    if (event.clientX < box.left + box.width / 2 && !this.stick) {
      this.stick = thumb;
      this.#showStick(box, thumb);
    } else if (!this.eye) {
      this.eye = thumb;
    }
  }

  #move(event) {
    if (event.pointerType !== "touch") return;
    if (this.stick?.id === event.pointerId) {
      const x = (event.clientX - this.stick.x) / STICK_PX;
      const y = (event.clientY - this.stick.y) / STICK_PX;
      this.stick.moved = Math.max(this.stick.moved, Math.hypot(x, y));
      this.#hold(MOVES.left, x < -DEAD);
      this.#hold(MOVES.right, x > DEAD);
      this.#hold(MOVES.up, y < -DEAD);
      this.#hold(MOVES.down, y > DEAD);
    } else if (this.eye?.id === event.pointerId) {
      const [dx, dy] = [event.clientX - this.eye.x, event.clientY - this.eye.y];
      this.eye.x = event.clientX;
      this.eye.y = event.clientY;
      this.eye.moved += Math.hypot(dx, dy) / STICK_PX;
      const { right, up } = this.degrees();
      this.input.look(dx * right * LOOK, -dy * up * LOOK);
    }
  }

  #up(event) {
    const thumb = [this.stick, this.eye].find((one) => one?.id === event.pointerId);
    if (!thumb) return;
    if (thumb === this.stick) {
      this.stick = null;
      this.ring.hidden = true;
      this.input.releaseDevice("touch");
    } else {
      this.eye = null;
    }
    if (thumb.moved < 0.1 && event.type === "pointerup") this.actions.clicked();
  }

  #hold(code, held) {
    const spec = this.input.buttons.find((one) => one.code === code);
    if (!spec) return;
    if (held) this.input.press("touch", spec.name);
    else this.input.release("touch", spec.name);
  }

  // The picture may be scaled with the graph: client pixels are not the layer's.
  #showStick(box, thumb) {
    const scale = this.layer.offsetWidth / box.width || 1;
    this.ring.style.left = `${(thumb.x - box.left) * scale}px`;
    this.ring.style.top = `${(thumb.y - box.top) * scale}px`;
    this.ring.hidden = false;
  }
}
