// The live avatar of one node: sources, session, picture and take.
import { undoStep } from "../play/host.js";
import { OpenError } from "../play/open.js";
import { Picture } from "../play/picture.js";
import { Capture, SourceError } from "./capture.js";
import { AvatarSession } from "./session.js";
import { t } from "./text.js";
import { AvatarView } from "./view.js";

const TICK_MS = 40;
const SHARE = 0.1; // of a new measurement in the latency that is shown

export class AvatarPanel {
  // take: the widget that holds the name of the take's file.
  constructor(node, take) {
    this.node = node;
    this.take = take;
    this.mode = "idle";
    this.recording = false;
    this.wanted = { own: { kind: "mic" }, other: { kind: "none" } };
    this.ending = new AbortController();
    this.view = new AvatarView(
      {
        start: () => (this.mode === "idle" ? this.start() : this.stop()),
        record: () => this.session.record(!this.recording),
        forget: () => this.#setTake(""),
        source: (side, kind, file) => this.choose(side, kind, file),
      },
      this.ending.signal,
    );
    this.picture = new Picture(this.view.canvas);
    this.session = new AvatarSession({
      frame: (message) => this.#frame(message),
      recording: (message) => this.#recorded(message),
      failed: (text) => this.view.notice(text, "warning"),
      ended: (why) => {
        this.view.notice(why, "warning");
        this.stop();
      },
    });
    this.capture = new Capture({
      samples: (pairs, rate) => this.session.speak(pairs, rate),
      ended: (side, why) => {
        this.wanted[side] = { kind: "none" };
        this.view.setSource(side, "none");
        this.view.notice(why);
      },
      barged: (on) => on && this.view.notice(t("bargeIn")),
    });
    this.#show();
    this.sync();
  }

  get root() {
    return this.view.root;
  }

  // The widget may have changed: undo, another workflow.
  sync() {
    this.view.setTake(this.take.value || "");
  }

  async start() {
    if (this.mode !== "idle") return;
    this.mode = "opening";
    this.#show();
    this.opening = new AbortController();
    try {
      await this.capture.start(); // first, while the click counts
      await this.session.begin(this.node, (text) => this.view.wait(text), this.opening.signal);
      this.mode = "live";
      this.latency = null;
      this.base = 0; // seconds of sound before the server's tick 0
      this.lostBefore = 0;
      this.#show();
      for (const side of ["other", "own"]) await this.#apply(side);
      if (Object.values(this.wanted).every(({ kind }) => kind === "none")) {
        this.view.notice(t("noSource"));
      }
    } catch (error) {
      const known = error instanceof OpenError || error instanceof SourceError;
      if (error.name !== "AbortError") this.view.notice(error.message, "warning");
      if (!known && error.name !== "AbortError") console.error(error);
      this.stop();
    }
  }

  stop() {
    this.opening?.abort();
    this.session.close();
    this.capture.stop();
    this.mode = "idle";
    this.recording = false;
    this.view.setBadge("");
    this.view.setStatus("");
    this.#show();
  }

  // Something else speaks for a side: "none", "mic" or "file".
  async choose(side, kind, file = null) {
    if (kind === "mic") {
      for (const [each, { kind: used }] of Object.entries(this.wanted)) {
        if (each === side || used !== "mic") continue;
        this.wanted[each] = { kind: "none" };
        this.view.setSource(each, "none");
      }
    }
    this.wanted[side] = { kind, file };
    this.view.setSource(side, kind, file?.name);
    if (this.mode === "live") await this.#apply(side);
  }

  dispose() {
    this.stop();
    this.picture.dispose();
    this.ending.abort();
  }

  async #apply(side) {
    const { kind, file } = this.wanted[side];
    try {
      if (kind === "mic") await this.capture.useMicrophone(side);
      else if (kind === "file") await this.capture.useFile(side, file);
      else this.capture.clear(side);
    } catch (error) {
      this.wanted[side] = { kind: "none" };
      this.view.setSource(side, "none");
      this.view.notice(error.message, "warning");
    }
  }

  async #frame(message) {
    if (this.mode === "idle") return;
    const { n, tick, state, lost } = message.header;
    await this.picture.show(message, TICK_MS);
    this.session.ack(n);
    if (tick) this.#measure(tick);
    this.view.setBadge(t(state));
    const status = t("status", { fps: this.picture.rate, ms: Math.round(1000 * this.latency) });
    this.view.setStatus(lost > this.lostBefore ? t("lost") : status);
    this.lostBefore = lost;
  }

  // How much later than its sound a frame is seen; a file is heard as late.
  #measure(tick) {
    const late = this.session.sent - this.base - (tick * TICK_MS) / 1000;
    this.latency = this.latency === null ? late : this.latency + SHARE * (late - this.latency);
    this.capture.latency = this.latency;
  }

  #recorded({ on, file, seconds, why }) {
    this.recording = on;
    if (on) this.base = this.session.sent;
    this.#show();
    if (on) return;
    if (why) this.view.notice(why);
    if (!file) return;
    this.#setTake(file);
    this.view.notice(t("recorded", { seconds: seconds.toFixed(1), file }));
  }

  #setTake(file) {
    this.take.value = file;
    this.take.callback?.(file);
    this.sync();
    undoStep();
  }

  #show() {
    this.view.show({ mode: this.mode, recording: this.recording });
  }
}
