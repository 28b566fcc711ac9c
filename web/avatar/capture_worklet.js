// Runs in the audio thread: collects both voices into blocks and hands them to the page. The host
// loads every file into the page too, where there is nothing to do.

function capture(Base) {
  return class extends Base {
    constructor({ processorOptions: { block } }) {
      super();
      this.block = block;
      this.#renew();
    }

    process([voices]) {
      for (let channel = 0; channel < 2; channel++) {
        if (voices[channel]) this.parts[channel].set(voices[channel], this.filled);
      }
      this.filled += voices[0]?.length ?? 128;
      if (this.filled >= this.block) {
        const buffers = this.parts.map(({ buffer }) => buffer);
        this.port.postMessage(this.parts, buffers);
        this.#renew();
      }
      return true;
    }

    #renew() {
      this.parts = [new Float32Array(this.block), new Float32Array(this.block)];
      this.filled = 0;
    }
  };
}

const { AudioWorkletProcessor: Base, registerProcessor } = globalThis;
if (Base) registerProcessor("gwm-capture", capture(Base));
