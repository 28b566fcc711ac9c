// A live session on the server: opens it, tells it what to do, and keeps what it says of itself.
import { api } from "./host.js";
import { parseMessage } from "./message.js";
import { makeToken, OpenError, run } from "./open.js";
import { LiveSocket, socketAddress } from "./socket.js";
import { t } from "./text.js";

const SETTLED = ["playing", "watching", "paused"];

export class Session {
  // events: state(), progress(done, total), message(parsed), event(answer), failed(text),
  // lost(), back(opened), gone(why).
  constructor(events) {
    this.events = events;
    this.socket = new LiveSocket(socketAddress(api), {
      text: (message) => this.#text(message),
      bytes: (buffer) => this.#bytes(buffer),
      lost: () => this.events.lost(),
      gone: () => this.#end(t("gone")),
    });
    this.#forget();
  }

  #forget() {
    this.id = null;
    this.signature = null;
    this.opened = null; // what the server said when it was opened
    this.state = "none"; // as the server names it
    this.why = "";
    this.tick = 0; // shown by the server
    this.ticks = 0; // length of its walk
    this.expected = null; // the state that was asked for and has not come yet
    this.waiter = null;
  }

  get alive() {
    return this.id !== null;
  }

  // Runs the graph above the node and opens a session on its world; gives what the server says of
  // it. walk: an object, control text, or null.
  async open(planned, walk, encoding, told, signal) {
    const token = makeToken();
    const connected = this.socket.open().catch(() => {
      throw new OpenError(t("noLive"));
    });
    connected.catch(() => {}); // it is told below
    await run(planned, token, told, signal);
    await connected;
    told(t("connecting"));
    const opened = new Promise((resolve, reject) => {
      this.waiter = { resolve, reject };
      signal?.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    });
    this.expected = null;
    this.socket.session = null;
    this.socket.send({ type: "open", token, walk, encoding });
    try {
      const message = await opened;
      this.signature = planned.signature;
      return message;
    } finally {
      this.waiter = null;
    }
  }

  // The walk as the server reads it, where it was opened with control text.
  async readWalk() {
    const back = new Promise((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
    this.socket.send({ type: "resume", session: this.id });
    try {
      return (await back).walk;
    } finally {
      this.waiter = null;
    }
  }

  play() {
    this.#ask("playing", { type: "play" });
  }

  watch() {
    this.#ask("watching", { type: "watch" });
  }

  // What the server has made after `tick` is cut off there.
  pause(tick) {
    if (tick !== undefined && tick < this.tick) this.tick = this.ticks = tick;
    this.#ask("paused", tick === undefined ? { type: "pause" } : { type: "pause", tick });
  }

  seek(tick) {
    this.tick = tick;
    this.socket.send({ type: "seek", tick });
  }

  step() {
    this.socket.send({ type: "step", ticks: 1 });
  }

  cut() {
    this.socket.send({ type: "cut" });
  }

  event(text) {
    this.socket.send({ type: "event", text });
  }

  send(message) {
    this.socket.send(message);
  }

  ack(number) {
    this.socket.send({ type: "ack", n: number });
  }

  close() {
    this.socket.close();
    this.waiter?.reject(new DOMException("closed", "AbortError"));
    this.#forget();
  }

  #ask(state, message) {
    this.expected = state;
    this.socket.send(message);
  }

  #text(message) {
    const { type } = message;
    if (type === "opened") this.#opened(message);
    else if (type === "state") this.#state(message);
    else if (type === "progress") this.events.progress(message.done, message.total);
    else if (type === "event") this.events.event(message);
    else if (type === "closed") this.#end(message.why || t("gone"));
    else if (type === "error") this.#error(message);
  }

  #opened(message) {
    Object.assign(this, { id: message.session, tick: message.tick, ticks: message.ticks });
    this.opened = message;
    this.state = "paused";
    this.socket.session = { id: message.session, grace: message.grace };
    if (this.waiter) this.waiter.resolve(message);
    else if (message.resumed) this.events.back(message);
  }

  // Answers to what was asked before the last request say nothing new.
  #state({ state, why, tick, ticks }) {
    if (this.expected && state !== this.expected) {
      if (SETTLED.includes(state) || this.expected === "paused") return;
    } else {
      this.expected = null;
      this.tick = tick;
      this.ticks = ticks;
    }
    this.state = state;
    this.why = why;
    this.events.state();
  }

  #error({ code, message, fatal }) {
    const { waiter } = this;
    if (waiter && fatal) {
      waiter.reject(new OpenError(message));
      this.#dropped();
    } else if (fatal) {
      this.#end(message);
    } else {
      this.expected = null;
      this.events.failed(message, code);
    }
  }

  #bytes(buffer) {
    let parsed;
    try {
      parsed = parseMessage(buffer);
    } catch (error) {
      this.events.failed(error.message, "bad-message");
      return;
    }
    const { kind, tick, rows } = parsed.header;
    if (kind === "tick") {
      this.tick = tick;
      if (rows.length) this.ticks = tick; // it has cut off what came after
    }
    this.events.message(parsed);
  }

  // The server has no session for us any more.
  #end(why) {
    this.waiter?.reject(new OpenError(why));
    this.#dropped();
    this.events.gone(why);
  }

  #dropped() {
    this.socket.session = null;
    this.#forget();
  }
}
