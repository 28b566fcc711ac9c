// The mouse on the picture: a click locks it, so that moving it turns the view; where it cannot
// be locked, dragging turns.

const CLICK_PX = 5;

export class Pointer {
  // actions: clicked() -> whether the mouse may be locked; unlocked() when the browser let go
  // (it does so on Esc, which it keeps to itself).
  constructor(element, input, degreesPerPixel, actions, signal) {
    this.element = element;
    this.input = input;
    this.degrees = degreesPerPixel;
    this.actions = actions;
    this.locked = false;
    this.drag = null;
    element.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    element.addEventListener("pointermove", (event) => this.#move(event), { signal });
    element.addEventListener("pointerup", (event) => this.#up(event), { signal });
    element.addEventListener("pointercancel", () => this.#drop(), { signal });
  }

  // Called with every tick: the browser tells the whole page of a lost lock, never an element.
  check() {
    if (!this.locked || this.element.ownerDocument.pointerLockElement === this.element) return;
    this.locked = false;
    this.actions.unlocked();
  }

  unlock() {
    this.#drop();
    if (!this.locked) return;
    this.locked = false;
    const page = this.element.ownerDocument;
    if (page.pointerLockElement === this.element) page.exitPointerLock();
  }

  #down(event) {
    if (event.pointerType === "touch" || event.button !== 0) return;
    event.preventDefault(); // no text selection; the focus is set by hand
    this.element.focus({ preventScroll: true });
    if (this.locked) return;
    this.drag = { id: event.pointerId, moved: 0, x: event.clientX, y: event.clientY };
    capture(this.element, event.pointerId);
  }

  #move(event) {
    if (event.pointerType === "touch") return;
    if (this.locked) {
      this.#turn(event.movementX, event.movementY);
    } else if (this.drag?.id === event.pointerId) {
      const [dx, dy] = [event.clientX - this.drag.x, event.clientY - this.drag.y];
      this.drag.x = event.clientX;
      this.drag.y = event.clientY;
      this.drag.moved += Math.hypot(dx, dy);
      if (this.drag.moved > CLICK_PX) this.#turn(dx, dy);
    }
  }

  #up(event) {
    if (event.pointerType === "touch" || this.drag?.id !== event.pointerId) return;
    const clicked = this.drag.moved <= CLICK_PX;
    this.#drop();
    if (clicked && this.actions.clicked()) this.#lock();
  }

  #drop() {
    if (this.drag && this.element.hasPointerCapture?.(this.drag.id)) {
      this.element.releasePointerCapture(this.drag.id);
    }
    this.drag = null;
  }

  async #lock() {
    if (!this.element.requestPointerLock) return;
    try {
      await this.element.requestPointerLock();
      // Older browsers give no promise and lock a little later.
      if (this.element.ownerDocument.pointerLockElement !== this.element) {
        await new Promise((done) => setTimeout(done, 100));
      }
      this.locked = this.element.ownerDocument.pointerLockElement === this.element;
    } catch {
      this.locked = false; // refused: dragging still turns
    }
  }

  #turn(dx, dy) {
    const { right, up } = this.degrees();
    this.input.look(dx * right, -dy * up);
  }
}

function capture(element, id) {
  try {
    element.setPointerCapture(id);
  } catch {
    // The pointer is gone already, or was made by a script.
  }
}
