// A live session on the server: opens it, tells it what to do, and keeps what it says of itself.
import { api } from "./host.js";
import { parseMessage } from "./message.js";
import { makeToken, OpenError, run } from "./open.js";
import { LiveSocket, socketAddress } from "./socket.js";
import { t } from "./text.js";

const SETTLED = ["playing", "watching", "paused"];
const SILENT_MS = 15_000;
const FIRST_SILENT_MS = 90_000; // a model may have to be compiled

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
    this.askedAt = 0; // when play was asked for
    this.heardAt = 0; // when the last tick came since
    this.longest = 0; // ms between two ticks
  }

  get alive() {
    return this.id !== null;
  }

  get connected() {
    return this.alive && this.socket.ready;
  }

  // Runs the graph above the node and opens a session on its world; gives what the server says of
  // it. walk: an object, control text, or null.
  async open(planned, walk, encoding, told, signal) {
    const token = makeToken();
    const connected = this.socket.open().catch(async () => {
      throw new OpenError(await whyRefused());
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
    this.askedAt = performance.now();
    this.heardAt = 0;
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
    if (!this.waiter && !message.resumed) {
      this.socket.send({ type: "close" }); // nobody waits for it any more
      return;
    }
    Object.assign(this, { id: message.session, tick: message.tick, ticks: message.ticks });
    this.opened = message;
    this.state = "paused";
    this.socket.session = { id: message.session, grace: message.grace };
    if (this.waiter) this.waiter.resolve(message);
    else this.events.back(message);
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
    if (state === "playing" && this.state === "waiting") this.heardAt = performance.now();
    this.state = state;
    this.why = why;
    this.events.state();
  }

  #error({ code, message, fatal }) {
    const { waiter } = this;
    if (waiter) {
      waiter.reject(new OpenError(message));
      if (fatal) this.#dropped();
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
      const now = performance.now();
      if (this.heardAt) this.longest = Math.max(this.longest, now - this.heardAt);
      this.heardAt = now;
    }
    try {
      this.events.message(parsed);
    } catch (error) {
      // Without an answer the server would send no more.
      this.ack(parsed.header.n);
      console.error("GWM: a tick could not be shown", error);
    }
  }

  // Called now and then: where ticks should come and have not for very long, the connection is
  // dead without saying so, and is made anew. How long that is depends on the world.
  checkAnswering() {
    if (this.state !== "playing" && this.state !== "watching") return;
    const silent = performance.now() - (this.heardAt || this.askedAt);
    const most = this.heardAt ? Math.max(SILENT_MS, 8 * this.longest) : FIRST_SILENT_MS;
    if (silent > most) this.socket.drop();
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

// Browsers do not tell a page why its socket was refused; the server does.
async function whyRefused() {
  try {
    const reply = await api.fetchApi("/gwm/live/why", { method: "POST" });
    const { refused } = await reply.json();
    return refused ? `${t("noLive")} ${refused}` : t("noLive");
  } catch {
    return t("noServer");
  }
}
