// Two voices as one stream of samples: the character's on the left, the other's on the right.
// Each comes from the microphone, from a file that plays, or is silent.
import { t } from "./text.js";

const BLOCK = 1024; // samples, about 21 ms
const HEARD_LATE = 0.14; // s: what a file says is heard when its frame is seen
const MOST_LATE = 1;
const LOUD = 0.02; // RMS of a voice that barges in
const BARGE_MS = 300; // how long it must speak
const QUIET_MS = 800; // how long it must be quiet before the file goes on
const WORKLET = new URL("./capture_worklet.js", import.meta.url).href;

// Why a source cannot be used, as a sentence.
export class SourceError extends Error {}

export class Capture {
  // events: samples(Int16Array of pairs, rate), ended(side, why), barged(on)
  constructor(events) {
    this.events = events;
    this.sources = { own: null, other: null }; // {kind, node, stop()}
    this.barging = 0;
    this.quiet = 0;
    this.held = null; // the file that waits while the other speaks
  }

  get rate() {
    return this.context?.sampleRate ?? 0;
  }

  // Begins to give samples, silence among them. Called from a click: browsers want one.
  async start() {
    if (this.context) return;
    this.context = new AudioContext({ latencyHint: "interactive" });
    await this.context.resume();
    this.merger = this.context.createChannelMerger(2);
    this.sides = {};
    for (const [side, channel] of [
      ["own", 0],
      ["other", 1],
    ]) {
      const gain = this.context.createGain();
      gain.channelCount = 1; // stereo is mixed to one voice
      gain.channelCountMode = "explicit";
      gain.connect(this.merger, 0, channel);
      this.sides[side] = gain;
    }
    this.late = this.context.createDelay(MOST_LATE);
    this.late.delayTime.value = HEARD_LATE;
    this.late.connect(this.context.destination);
    await this.#tap();
  }

  // Stops everything and lets the microphone go.
  async stop() {
    for (const side of ["own", "other"]) this.clear(side);
    this.tap?.disconnect();
    const { context } = this;
    this.context = this.tap = null;
    await context?.close().catch(() => {});
  }

  // How much later than it is captured a file is heard, in seconds: as late as its frames.
  set latency(seconds) {
    const value = Math.min(MOST_LATE, Math.max(0, seconds));
    this.late?.delayTime.setTargetAtTime(value, this.context.currentTime, 0.3);
  }

  clear(side) {
    const source = this.sources[side];
    this.sources[side] = null;
    if (this.held === source) this.held = null;
    source?.stop();
  }

  // The microphone speaks for a side; it can be only one of both.
  async useMicrophone(side) {
    for (const each of ["own", "other"]) {
      if (this.sources[each]?.kind === "mic" || each === side) this.clear(each);
    }
    const stream = await microphone(side === "other");
    if (!this.context) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    const node = this.context.createMediaStreamSource(stream);
    node.connect(this.sides[side]);
    const source = {
      kind: "mic",
      stream,
      stop: () => {
        node.disconnect();
        for (const track of stream.getTracks()) {
          track.onended = null;
          track.stop();
        }
      },
    };
    for (const track of stream.getTracks()) {
      track.onended = () => {
        if (this.sources[side] !== source) return;
        this.clear(side);
        this.events.ended(side, t("micUnplugged"));
      };
    }
    this.sources[side] = source;
  }

  // A file speaks for a side, once, and is heard.
  async useFile(side, file) {
    const bytes = await file.arrayBuffer();
    let buffer;
    try {
      buffer = await this.context.decodeAudioData(bytes);
    } catch {
      throw new SourceError(t("fileBad", { name: file.name }));
    }
    if (!this.context) return;
    this.clear(side);
    const source = {
      kind: "file",
      side,
      name: file.name,
      buffer,
      offset: 0,
      node: null,
      stop: () => this.#halt(source),
    };
    this.sources[side] = source;
    this.#play(source);
  }

  #play(source) {
    const node = this.context.createBufferSource();
    node.buffer = source.buffer;
    node.connect(this.sides[source.side]);
    node.connect(this.late);
    node.onended = () => {
      if (source.node !== node || this.sources[source.side] !== source) return;
      this.clear(source.side);
      this.events.ended(source.side, t("fileOver", { name: source.name }));
    };
    source.node = node;
    source.began = this.context.currentTime - source.offset;
    node.start(0, source.offset);
  }

  #halt(source) {
    const { node } = source;
    source.node = null;
    if (!node) return;
    source.offset = this.context.currentTime - source.began;
    node.onended = null;
    node.stop();
    node.disconnect();
  }

  async #tap() {
    const { context } = this;
    if (context.audioWorklet) {
      await context.audioWorklet.addModule(WORKLET);
      this.tap = new AudioWorkletNode(context, "gwm-capture", {
        numberOfInputs: 1,
        numberOfOutputs: 1,
        channelCount: 2,
        channelCountMode: "explicit",
        processorOptions: { block: BLOCK },
      });
      this.tap.port.onmessage = ({ data }) => this.#heard(data[0], data[1]);
    } else {
      // Plain http has no worklets.
      this.tap = context.createScriptProcessor(BLOCK, 2, 1);
      this.tap.onaudioprocess = ({ inputBuffer }) =>
        this.#heard(inputBuffer.getChannelData(0), inputBuffer.getChannelData(1));
    }
    this.merger.connect(this.tap);
    this.tap.connect(context.destination); // it gives silence; unconnected ones do not run
  }

  #heard(own, other) {
    if (!this.context) return;
    this.#barge(other);
    const pairs = new Int16Array(2 * own.length);
    for (let i = 0; i < own.length; i++) {
      pairs[2 * i] = toInt16(own[i]);
      pairs[2 * i + 1] = toInt16(other[i]);
    }
    this.events.samples(pairs, this.rate);
  }

  // Who speaks while the character's file plays is listened to; the file goes on afterwards.
  #barge(other) {
    const ms = (1000 * other.length) / this.rate;
    let power = 0;
    for (const value of other) power += value * value;
    const loud = Math.sqrt(power / other.length) > LOUD;
    this.barging = loud ? this.barging + ms : 0;
    this.quiet = loud ? 0 : this.quiet + ms;
    const { own } = this.sources;
    if (!this.held && own?.kind === "file" && own.node && this.barging > BARGE_MS) {
      this.held = own;
      this.#halt(own);
      this.events.barged(true);
    } else if (this.held && this.quiet > QUIET_MS) {
      const { held } = this;
      this.held = null;
      this.#play(held);
      this.events.barged(false);
    }
  }
}

// echo: whether what the page itself plays is taken out.
async function microphone(echo) {
  if (!navigator.mediaDevices?.getUserMedia) throw new SourceError(t("micInsecure"));
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: echo, noiseSuppression: true, autoGainControl: true },
    });
  } catch ({ name, message }) {
    const why = { NotAllowedError: "micRefused", NotFoundError: "micMissing" }[name];
    throw new SourceError(why ? t(why) : t("micFailed", { why: message || name }));
  }
}

function toInt16(value) {
  return Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
}
