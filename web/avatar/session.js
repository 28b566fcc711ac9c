// A live avatar on the server: opens it, sends it sound, and hands on its frames.
import { api } from "../play/host.js";
import { parseMessage } from "../play/message.js";
import { makeToken, OpenError, plan, run } from "../play/open.js";
import { LiveSocket, socketAddress } from "../play/socket.js";
import { t } from "./text.js";

const ROUTE = "/gwm/avatar";
const MAGIC = [0x47, 0x57, 0x4d, 0x41]; // "GWMA"
const MOST_WAITING = 200_000; // bytes of sound that a slow connection may hold back
const OPEN_WITHIN = 20_000;

export class AvatarSession {
  // events: frame(parsed), recording(message), failed(text), ended(why)
  constructor(events) {
    this.events = events;
    this.open = false;
    this.sent = 0; // seconds of sound
    this.socket = new LiveSocket(socketAddress(api, location.href, ROUTE), {
      text: (message) => this.#text(message),
      bytes: (buffer) => this.events.frame(parseMessage(buffer)),
      lost: () => {},
      gone: () => this.#end(t("gone")),
    });
  }

  // Runs the graph above the node and opens an avatar of its character: {width, height}.
  async begin(node, told, signal) {
    const planned = await plan(node, "character", t("noCharacter"));
    const token = makeToken();
    told(t("preparing"));
    await this.socket.open().catch(() => {
      throw new OpenError(t("noServer"));
    });
    await run(planned, token, (text, ...rest) => told(text, ...rest), signal, "take");
    told(t("connecting"));
    const opened = new Promise((resolve, reject) => {
      this.waiter = { resolve, reject };
      const late = setTimeout(() => reject(new OpenError(t("noServer"))), OPEN_WITHIN);
      const over = () => clearTimeout(late);
      this.waiter.over = over;
      signal?.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    });
    this.socket.send({ type: "open", token, encoding: "auto" });
    try {
      const message = await opened;
      this.open = true;
      this.sent = 0;
      return message;
    } finally {
      this.waiter?.over();
      this.waiter = null;
    }
  }

  // Int16 pairs: the character's voice, the other's.
  speak(pairs, rate) {
    if (!this.open) return;
    const bytes = new Uint8Array(8 + pairs.byteLength);
    bytes.set(MAGIC);
    new DataView(bytes.buffer).setUint32(4, rate, true);
    bytes.set(new Uint8Array(pairs.buffer), 8);
    if (this.socket.sendBytes(bytes, MOST_WAITING)) this.sent += pairs.length / 2 / rate;
  }

  ack(n) {
    this.socket.send({ type: "ack", n });
  }

  record(on) {
    this.socket.send({ type: "record", on: on ? 1 : 0 });
  }

  close() {
    this.open = false;
    this.socket.close();
  }

  #text(message) {
    const { type } = message;
    if (type === "opened") this.waiter?.resolve(message);
    else if (type === "recording") this.events.recording(message);
    else if (type === "closed") this.#end(message.why);
    else if (type === "error") this.#error(message);
  }

  #error({ message, fatal }) {
    if (this.waiter) this.waiter.reject(new OpenError(message));
    else if (fatal) this.#end(message);
    else this.events.failed(message);
  }

  #end(why) {
    const { open } = this;
    this.close();
    if (this.waiter) this.waiter.reject(new OpenError(why));
    else if (open) this.events.ended(why);
  }
}
