// Sound of the ticks, buffer after buffer with exact start times. The context runs at the
// stream's own rate, so no resampler hears the seams; no worklet, so it works on plain http.
//
// When a tick is seen and heard: see pace.js.

const USUAL_RATE = 24000;
const FADE = 0.006;
// A tick's sound goes on for so long when the next is late: what was heard last, backwards and
// dying away. A room's tone goes on unbroken; when the next tick comes it is faded over.
const BRIDGE = 0.07;
const MARGIN = FADE + 0.002; // s: what starts sooner than this comes too late to be joined on
const TOO_LATE = 80; // ms from picture to sound that are too many…
// …for so many ticks in a row: then what lies behind is left out. Every silence that a late tick
// makes doubles it: where ticks are uneven, late sound is better than silence.
const PATIENCE = 3;
const MOST_PATIENCE = 6;
const IDLE_MS = 10_000;
const KEPT_OFFSETS = 2000;

// One context for each sample rate, shared by the players of the page (browsers allow few).
const contexts = new Map();

export class Sound {
  constructor() {
    this.context = null;
    this.master = null;
    this.voice = null; // {gain, sources}: what the buffers of an unbroken stretch go through
    this.bridge = null; // {source, gain, ends}: what follows the last buffer if nothing else does
    this.voices = new Set();
    this.muted = false;
    this.next = 0; // frame of the context at which the next buffer starts; 0: nothing runs
    this.skew = null; // ms that the context's clock is before the page's
    this.lags = [];
    this.patience = PATIENCE;
    this.debt = 0; // samples of what comes that are left out
    this.idle = 0;
    this.underruns = 0; // silences that were heard, since a tick came later than any bridge
    this.bridged = 0; // ticks that came late, but no later than that
    this.gap = false; // a silence goes on, that is counted already
    this.skips = 0;
    this.offsets = []; // ms from a tick's picture to its sound
  }

  // Must be called from a click or key press: browsers start no sound without one.
  unlock(rate = USUAL_RATE) {
    clearTimeout(this.idle);
    if (this.#use(rate) && this.context.state !== "running") this.context.resume().catch(() => {});
  }

  setMuted(muted) {
    this.muted = muted;
    this.master?.gain.setTargetAtTime(muted ? 0 : 1, this.context.currentTime, 0.01);
  }

  // The sound that came with a tick. seen, heard: when its picture and its sound are due
  // (performance.now()). steady: ticks follow one another, they are no single steps.
  add({ header, pcm }, { seen, heard, steady }) {
    const { rate, channels, samples } = header.audio ?? {};
    if (!samples || !this.#use(rate)) return;
    clearTimeout(this.idle);
    if (!steady) this.stopSoon();
    if (this.context.state !== "running") {
      this.next = 0;
      return;
    }
    const wanted = this.#frameOf(heard, rate);
    // The device may be fetching the next stretch right now.
    const rendered = this.context.currentTime + (this.context.baseLatency || 0);
    const soonest = Math.ceil((rendered + MARGIN) * rate);
    const fade = Math.round(FADE * rate);
    let begins = true; // after silence or a cut: fade in
    if (this.next > soonest) {
      const late = this.#heardAt(this.next / rate) - seen;
      if (steady) this.debt += this.#tooMuch(this.next - wanted, late);
      begins = this.debt > 0;
      if (this.debt > samples - fade) {
        this.debt = Math.max(0, this.debt - samples) + 1; // the next one fades in
        return;
      }
    } else {
      if (this.next && steady) this.#late(soonest);
      // What should have been heard by now is left out: the rest is on time.
      const missed = this.next && steady ? Math.max(0, soonest - wanted) : 0;
      this.lags.length = 0;
      if (missed > samples - 2 * fade) return; // nothing of it is left
      this.debt = missed;
      this.next = Math.max(soonest, wanted);
    }
    this.gap = false;
    this.#endBridge(begins);
    const left = this.debt;
    this.debt = 0;
    this.offsets.push(this.#heardAt((this.next - left) / rate) - seen);
    if (this.offsets.length > 1.1 * KEPT_OFFSETS) {
      this.offsets.splice(0, this.offsets.length - KEPT_OFFSETS);
    }
    this.#play(this.#buffer(pcm, channels, samples, rate, left, begins), begins, rate);
    this.next += samples - left;
    this.#bridgeOver(pcm, channels, samples, rate, steady ? BRIDGE : FADE);
  }

  // Silence after what is still queued.
  stopSoon() {
    clearTimeout(this.idle);
    this.idle = setTimeout(() => this.stop(), 600);
  }

  // Silence within a blink, without a click.
  stop() {
    this.next = 0;
    this.skew = null;
    this.lags.length = 0;
    this.patience = PATIENCE;
    this.debt = 0;
    this.bridge = null;
    this.gap = false;
    if (!this.context) return;
    const now = this.context.currentTime;
    for (const { gain, sources } of this.voices) {
      gain.gain.cancelScheduledValues(0);
      gain.gain.setTargetAtTime(0, now, FADE / 4);
      for (const source of sources) source.stop(now + 2 * FADE);
    }
    this.voice = null;
    clearTimeout(this.idle);
    this.idle = setTimeout(() => release(this.context, this, true), IDLE_MS);
  }

  dispose() {
    if (!this.context) return;
    this.stop();
    clearTimeout(this.idle);
    this.master.disconnect();
    release(this.context, this, false);
    this.context = this.master = null;
  }

  // The context of that sample rate is there.
  #use(rate) {
    if (!rate) return false;
    try {
      const context = claim(rate, this);
      if (context !== this.context) {
        if (this.context) release(this.context, this, false);
        this.context = context;
        this.master = context.createGain();
        this.master.gain.value = this.muted ? 0 : 1;
        this.master.connect(context.destination);
        this.voice = this.bridge = null;
        this.next = 0;
      }
      return true;
    } catch {
      return false; // no sound device, or a rate that it cannot have
    }
  }

  // Frames to leave out, since sound has come too late for a while. lag: frames
  // behind the time that it should be heard; late: ms behind its picture.
  #tooMuch(lag, late) {
    if (late <= TOO_LATE) {
      this.lags.length = 0;
      return 0;
    }
    this.lags.push(lag);
    if (this.lags.length <= this.patience) return 0;
    const least = Math.max(0, Math.min(...this.lags));
    this.lags.length = 0;
    if (least) this.skips++;
    return least;
  }

  // A tick came after all sound was through: it can be joined on at frame `soonest`.
  #late(soonest) {
    if (this.gap) return;
    if (this.bridge && soonest <= this.bridge.ends) {
      this.bridged++;
      return;
    }
    this.underruns++;
    this.gap = true;
    this.patience = Math.min(2 * this.patience, MOST_PATIENCE);
  }

  #bridgeOver(pcm, channels, samples, rate, seconds) {
    const count = Math.min(samples, Math.round(seconds * rate));
    const buffer = this.context.createBuffer(channels, count, rate);
    for (let channel = 0; channel < channels; channel++) {
      const data = buffer.getChannelData(channel);
      for (let i = 0, at = (samples - 1) * channels + channel; i < count; i++, at -= channels) {
        data[i] = (pcm[at] / 32767) * (1 - i / count);
      }
    }
    const gain = this.context.createGain();
    gain.connect(this.voice.gain);
    const source = this.#start(buffer, gain, this.voice, this.next / rate, () => gain.disconnect());
    this.bridge = { source, gain, ends: this.next + count };
  }

  // The next tick's sound is here: at its start the bridge is taken away, or faded over where the
  // sound begins anew.
  #endBridge(begins) {
    if (!this.bridge) return;
    const { source, gain } = this.bridge;
    const at = this.next / this.context.sampleRate;
    if (begins) gain.gain.setTargetAtTime(0, at, FADE / 4);
    source.stop(begins ? at + 2 * FADE : at);
    this.bridge = null;
  }

  #buffer(pcm, channels, samples, rate, left, begins) {
    const buffer = this.context.createBuffer(channels, samples - left, rate);
    const ramp = begins ? Math.round(FADE * rate) : 0;
    for (let channel = 0; channel < channels; channel++) {
      const data = buffer.getChannelData(channel);
      for (let i = 0, at = left * channels + channel; i < data.length; i++, at += channels) {
        data[i] = (pcm[at] / 32767) * (i < ramp ? i / ramp : 1);
      }
    }
    return buffer;
  }

  #play(buffer, begins, rate) {
    if (begins || !this.voice) {
      const gain = this.context.createGain();
      gain.connect(this.master);
      this.voice = { gain, sources: new Set() };
      this.voices.add(this.voice);
    }
    this.#start(buffer, this.voice.gain, this.voice, this.next / rate);
  }

  #start(buffer, to, voice, at, ended = () => {}) {
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(to);
    source.start(at);
    voice.sources.add(source);
    source.onended = () => {
      ended();
      voice.sources.delete(source);
      if (voice.sources.size || voice === this.voice) return;
      voice.gain.disconnect();
      this.voices.delete(voice);
    };
    return source;
  }

  get #latency() {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }

  // The context's clock goes in steps, so that it is behind by up to one: the most that was seen is
  // nearest to the truth. It follows slowly where the two clocks drift apart.
  #measure() {
    const now = this.context.currentTime * 1000 - performance.now();
    this.skew = this.skew === null || now > this.skew ? now : this.skew - (this.skew - now) / 400;
    return this.skew;
  }

  // Frame of the context that is heard at a time of the page, and the other way round.
  #frameOf(at, rate) {
    return Math.round(((at + this.#measure()) / 1000 - this.#latency) * rate);
  }

  #heardAt(time) {
    return (time + this.#latency) * 1000 - this.#measure();
  }
}

function claim(rate, user) {
  let entry = contexts.get(rate);
  if (!entry || entry.context.state === "closed") {
    const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    entry = { context, users: new Set() };
    contexts.set(rate, entry);
  }
  entry.users.add(user);
  return entry.context;
}

// A context that nobody uses is suspended, or closed when its last player is gone.
function release(context, user, keep) {
  const entry = context && contexts.get(context.sampleRate);
  if (entry?.context !== context) return;
  entry.users.delete(user);
  if (entry.users.size) return;
  if (keep) {
    context.suspend().catch(() => {});
  } else {
    contexts.delete(context.sampleRate);
    context.close().catch(() => {});
  }
}
