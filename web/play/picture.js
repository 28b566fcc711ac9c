// Draws frames as they come: raw RGB, PNG or JPEG, without WebCodecs. The frames of a tick are
// spread over its time; a newer tick takes the place of what was not drawn yet.

const RING = 20000;
const EMPTY = "#0c0d0f"; // as the stylesheet has it around the picture

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.drawn = []; // [tick, performance.now(), due], the latest RING
    this.frameTimes = []; // of the last second, for the frame rate
    this.turn = 0; // of the newest message; older ones are not drawn any more
    this.timers = new Set();
    this.image = null;
    this.clear();
  }

  // Draws the frames of a message and calls first() at its first one, last() after all; both are
  // called at once when something newer came before; ready() when the frames can be drawn. The first
  // one is drawn at the time `at` (performance.now()) or at once. A tick lasts `lasting` ms.
  async show({ header, frames }, lasting, { at = 0, ready = noop, first = noop, last = noop } = {}) {
    const turn = ++this.turn;
    this.#forget();
    const { width, height, encoding } = header.frames;
    let pictures = [];
    try {
      pictures =
        encoding === "raw"
          ? frames
          : await Promise.all(frames.map((data) => decode(data, encoding)));
    } catch {
      // A damaged picture: the one before stays.
    }
    ready();
    if (turn !== this.turn || !pictures.length) {
      close(pictures);
      first(false);
      last(false);
      return;
    }
    const begin = () => {
      this.#size(width, height);
      this.#draw(pictures[0]);
      if (header.kind === "tick") this.#note(header);
      first(true);
    };
    const early = at - performance.now();
    if (early > 1) await this.#hold(early, begin);
    else begin();
    if (turn !== this.turn) {
      close(pictures.slice(1));
      last(false);
      return;
    }
    this.#rest(pictures, 1, lasting / pictures.length, last);
  }

  clear() {
    this.turn++;
    this.#forget();
    this.shown = false;
    this.context.fillStyle = EMPTY;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // Shows a small picture in place of one that is not there yet.
  preview(image) {
    this.turn++;
    this.#forget();
    this.context.imageSmoothingEnabled = true;
    this.context.drawImage(image, 0, 0, this.canvas.width, this.canvas.height);
    this.shown = true;
  }

  // Frames a second over the last second.
  get rate() {
    const since = performance.now() - 1000;
    while (this.frameTimes.length && this.frameTimes[0] < since) this.frameTimes.shift();
    return this.frameTimes.length;
  }

  toBlob() {
    return new Promise((done) => this.canvas.toBlob(done, "image/png"));
  }

  dispose() {
    this.turn++;
    this.#forget();
  }

  #rest(pictures, index, spacing, last) {
    if (index >= pictures.length) {
      last(true);
      return;
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.#draw(pictures[index]);
      this.#rest(pictures, index + 1, spacing, last);
    }, spacing);
    this.timers.add(timer);
  }

  // Begins in a while, or as soon as something newer comes.
  #hold(ms, begin) {
    return new Promise((done) => {
      this.held = () => {
        this.held = null;
        begin();
        done();
      };
      this.timers.add(setTimeout(() => this.held?.(), ms));
    });
  }

  #forget() {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.held?.();
  }

  #size(width, height) {
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    if (this.image?.width !== width || this.image?.height !== height) {
      this.image = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
  }

  #draw(picture) {
    if (picture instanceof Uint8Array) {
      fill(this.pixels, picture);
      this.context.putImageData(this.image, 0, 0);
    } else {
      this.context.drawImage(picture, 0, 0);
      picture.close?.();
    }
    this.shown = true;
    this.frameTimes.push(performance.now());
    if (this.frameTimes.length > 240) this.frameTimes.shift();
  }

  #note({ tick, due }) {
    this.drawn.push([tick, performance.now(), due]);
    if (this.drawn.length > 1.1 * RING) this.drawn.splice(0, this.drawn.length - RING);
  }
}

function noop() {}

function close(pictures) {
  for (const picture of pictures) picture.close?.();
}

// RGB bytes to the RGBA words of an ImageData (little endian, as on every machine with a browser).
function fill(words, rgb) {
  for (let word = 0, at = 0; word < words.length; word++, at += 3) {
    words[word] = 0xff000000 | (rgb[at + 2] << 16) | (rgb[at + 1] << 8) | rgb[at];
  }
}

function decode(data, encoding) {
  return createImageBitmap(new Blob([data], { type: `image/${encoding}` }));
}
