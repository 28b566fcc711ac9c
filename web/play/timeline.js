// The walk as a strip of small pictures with its events: drag or use the arrow keys to go anywhere.
import { clock, t } from "./text.js";

const EVERY = 12; // ticks between two thumbnails
const [THUMB_WIDTH, THUMB_HEIGHT] = [64, 40];
const LEAST_SECONDS = 10; // a short walk does not fill the whole strip
const REDRAW_MS = 1000;
const NEAR_PX = 6;
const MARK = "#f5a524";

export class Timeline {
  // element: takes pointer and keys. actions: scrub(tick, done).
  constructor(element, actions, signal) {
    this.element = element;
    this.actions = actions;
    this.canvas = element.querySelector("canvas");
    this.cursorLine = element.querySelector(".gwm-play-cursor");
    this.tip = element.querySelector(".gwm-play-tip");
    this.rate = 12;
    this.ticks = 0;
    this.cursor = 0;
    this.events = [];
    this.thumbs = new Map(); // tick / EVERY -> {tick, image}
    this.width = this.height = 0;
    this.drawnAt = 0;
    this.timer = 0;
    this.drag = null;
    const on = (type, handle) => element.addEventListener(type, handle, { signal });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event, true));
    on("pointercancel", (event) => this.#up(event, false));
    on("pointerleave", () => this.#hideTip());
    on("keydown", (event) => this.#key(event));
    this.sizes = new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect));
    this.sizes.observe(element);
  }

  dispose() {
    clearTimeout(this.timer);
    this.sizes.disconnect();
  }

  // The walk and where it stands. `calm` while it plays: then the strip is drawn anew once a
  // second at most, and only the cursor moves.
  update({ ticks, cursor, events, rate }, calm) {
    const same = ticks === this.ticks && events.length === this.events.length && rate === this.rate;
    Object.assign(this, { ticks, cursor, events: [...events], rate });
    this.#moveCursor();
    if (!same) this.redraw(calm);
  }

  // Keeps a small copy of what the canvas shows as the picture of a tick.
  take(tick, canvas) {
    const slot = Math.floor(tick / EVERY);
    if (this.thumbs.has(slot)) return;
    this.#keep(slot, tick, (context) => context.drawImage(canvas, 0, 0, THUMB_WIDTH, THUMB_HEIGHT));
    this.redraw(true);
  }

  // Pictures after a tick show what is no longer so.
  cut(tick) {
    for (const [slot, thumb] of this.thumbs) if (thumb.tick > tick) this.thumbs.delete(slot);
  }

  clear() {
    this.thumbs.clear();
    this.redraw(false);
  }

  // Thumbnails that were made before, up to a tick.
  restore(thumbs, tick = Infinity) {
    for (const [slot, thumb] of thumbs) if (thumb.tick <= tick) this.thumbs.set(slot, thumb);
    this.redraw(false);
  }

  // One image with thumbnails side by side, one every `every` ticks.
  async takeStrip(url, every) {
    const image = new Image();
    image.src = url;
    try {
      await image.decode();
    } catch {
      return; // temp files may be gone
    }
    for (let index = 0; index * THUMB_WIDTH < image.width; index++) {
      const tick = index * every;
      const slot = Math.floor(tick / EVERY);
      if (this.thumbs.has(slot)) continue;
      this.#keep(slot, tick, (context) => context.drawImage(image, -index * THUMB_WIDTH, 0));
    }
    this.redraw(false);
  }

  // The picture nearest before a tick, or null.
  thumb(tick) {
    for (let slot = Math.floor(tick / EVERY); slot >= 0; slot--) {
      const thumb = this.thumbs.get(slot);
      if (thumb) return thumb.image;
    }
    return null;
  }

  redraw(calm) {
    if (this.timer) {
      if (calm) return;
      clearTimeout(this.timer);
    }
    const wait = calm ? Math.max(0, REDRAW_MS - (performance.now() - this.drawnAt)) : 0;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.#draw();
    }, wait);
  }

  #keep(slot, tick, paint) {
    const image = document.createElement("canvas");
    image.width = THUMB_WIDTH;
    image.height = THUMB_HEIGHT;
    paint(image.getContext("2d", { alpha: false }));
    this.thumbs.set(slot, { tick, image });
  }

  get #span() {
    return Math.max(this.ticks, LEAST_SECONDS * this.rate);
  }

  #x(tick) {
    return (tick / this.#span) * this.width;
  }

  #tickAt(event) {
    const box = this.element.getBoundingClientRect();
    const part = box.width ? (event.clientX - box.left) / box.width : 0;
    return Math.min(this.ticks, Math.max(0, Math.round(part * this.#span)));
  }

  #resize({ width, height }) {
    if (!width || (width === this.width && height === this.height)) return;
    this.width = width;
    this.height = height;
    this.#moveCursor();
    this.redraw(false);
  }

  #moveCursor() {
    this.cursorLine.style.transform = `translateX(${this.#x(this.cursor).toFixed(1)}px)`;
    const { element } = this;
    element.setAttribute("aria-valuemax", this.ticks);
    element.setAttribute("aria-valuenow", this.cursor);
    element.setAttribute(
      "aria-valuetext",
      this.ticks
        ? t("timelineAt", {
            tick: this.cursor,
            ticks: this.ticks,
            time: clock(this.cursor / this.rate),
          })
        : t("timelineEmpty"),
    );
    element.classList.toggle("is-empty", !this.ticks);
  }

  #draw() {
    this.drawnAt = performance.now();
    const { width, height, canvas } = this;
    if (!width || !height) return;
    const scale = Math.min(2, devicePixelRatio || 1);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const end = this.#x(this.ticks);
    context.save();
    context.beginPath();
    context.rect(0, 0, end, height);
    context.clip();
    context.fillStyle = "rgb(127 127 127 / 0.3)";
    context.fillRect(0, 0, end, height);
    const thumbWidth = (height * THUMB_WIDTH) / THUMB_HEIGHT;
    for (let x = 0; x < end; x += thumbWidth) {
      const image = this.thumb(Math.min(this.ticks, ((x + thumbWidth / 2) / width) * this.#span));
      if (image) context.drawImage(image, x, 0, thumbWidth, height);
    }
    context.restore();
    this.#drawRuler(context, height);
    this.#drawEvents(context, height);
  }

  // Marks of seconds, as many as fit.
  #drawRuler(context, height) {
    const perSecond = this.#x(this.rate);
    const step = [1, 5, 10, 30, 60, 300].find((seconds) => seconds * perSecond >= 14) ?? 600;
    context.fillStyle = "rgb(127 127 127 / 0.8)";
    for (let second = step; second * this.rate <= this.#span; second += step) {
      context.fillRect(Math.round(this.#x(second * this.rate)), height - 4, 1, 4);
    }
  }

  #drawEvents(context, height) {
    context.fillStyle = MARK;
    context.strokeStyle = "rgb(0 0 0 / 0.55)";
    for (const [tick] of this.events) {
      const x = Math.min(this.width - 5, Math.max(5, this.#x(tick)));
      context.fillRect(x - 0.75, 0, 1.5, height);
      context.beginPath();
      context.moveTo(x - 5, 0);
      context.lineTo(x + 5, 0);
      context.lineTo(x, 7);
      context.closePath();
      context.fill();
      context.stroke();
    }
  }

  #down(event) {
    if (event.button !== 0 || !this.ticks) return;
    this.element.setPointerCapture(event.pointerId);
    this.drag = { id: event.pointerId, tick: this.#tickAt(event) };
    this.#scrub(this.drag.tick, false);
  }

  #move(event) {
    const tick = this.#tickAt(event);
    if (this.drag?.id === event.pointerId && tick !== this.drag.tick) {
      this.drag.tick = tick;
      this.#scrub(tick, false);
    }
    this.#showTip(event, tick);
  }

  #up(event, done) {
    if (this.drag?.id !== event.pointerId) return;
    const { tick } = this.drag;
    this.drag = null;
    if (done) this.#scrub(tick, true);
  }

  #scrub(tick, done) {
    this.cursor = tick;
    this.#moveCursor();
    this.actions.scrub(tick, done);
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const second = Math.round(this.rate);
    const to = {
      ArrowLeft: this.cursor - (event.shiftKey ? second : 1),
      ArrowDown: this.cursor - 1,
      ArrowRight: this.cursor + (event.shiftKey ? second : 1),
      ArrowUp: this.cursor + 1,
      PageDown: this.cursor - 5 * second,
      PageUp: this.cursor + 5 * second,
      Home: 0,
      End: this.ticks,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#scrub(Math.min(this.ticks, Math.max(0, to)), true);
  }

  // Time under the pointer, and the event there.
  #showTip(event, tick) {
    if (event.pointerType === "touch" || !this.ticks) return;
    const near = (NEAR_PX / this.width) * this.#span;
    const found = this.events.filter(([at]) => Math.abs(at - tick) <= near).map(([, text]) => text);
    this.tip.textContent = [clock(tick / this.rate), ...found].join(" · ");
    this.tip.hidden = false;
    const part = this.#x(tick) / this.width;
    this.tip.style.left = `${(part * 100).toFixed(1)}%`;
    this.tip.style.transform = `translateX(${(-part * 100).toFixed(1)}%)`;
  }

  #hideTip() {
    this.tip.hidden = true;
  }
}
