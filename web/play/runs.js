// A queue run that makes this node's walk again: how far it is.
import { api, executionIds } from "./host.js";
import { t } from "./text.js";

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];

export class RunWatch {
  constructor(player, signal) {
    this.player = player;
    this.run = null;
    const on = (type, handle) =>
      api.addEventListener(type, ({ detail }) => detail && handle(detail), { signal });
    on("progress_state", (state) => this.#progress(state));
    for (const type of ENDS) on(type, ({ prompt_id: id }) => this.#ended(id));
  }

  #progress({ prompt_id: id, nodes }) {
    const { player } = this;
    if (player.mode !== "idle" && player.mode !== "paused") return;
    const mine = executionIds(player.node)
      .map((one) => nodes?.[one])
      .find(Boolean);
    if (mine?.state === "running" && mine.max > 1) {
      this.run = id;
      player.wait(t("making"), mine.value / mine.max);
    } else if (mine && this.run === id) {
      this.#ended(id);
    }
  }

  #ended(id) {
    if (this.run !== id) return;
    this.run = null;
    this.player.changed();
  }
}
