// Whether the person is with the world: where the focus is, and whether the node can be seen.
// A world does not play on unseen, unless it is told to; what was played is kept.
import { stays } from "./settings.js";
import { t } from "./text.js";

const LOOK_ROUND_MS = 400;
const AWAY_MS = 3000;

export class Presence {
  constructor(player, signal) {
    this.player = player;
    this.timer = 0;
    const { root } = player;
    root.addEventListener("focusout", (event) => this.#left(event), { signal });
    root.addEventListener("focusin", () => this.stay(), { signal });
    addEventListener("pagehide", () => this.#pageGoes(), { signal });
    // The host tells nobody of a bypass, a collapse or a hidden page without listeners that all
    // packs would share: a look now and then costs less.
    this.looking = setInterval(() => this.#lookRound(), LOOK_ROUND_MS);
  }

  // The person is here (again), or nothing plays that could be left.
  stay() {
    clearTimeout(this.timer);
  }

  dispose() {
    clearTimeout(this.timer);
    clearInterval(this.looking);
  }

  // Where nobody knows what the person turned to, they may be back in a moment.
  #left({ relatedTarget }) {
    const { player } = this;
    if (player.root.contains(relatedTarget)) return;
    player.input.releaseAll();
    if (player.mode !== "playing" || stays()) return;
    clearTimeout(this.timer);
    if (relatedTarget) this.#away();
    else this.timer = setTimeout(() => this.#away(), AWAY_MS);
  }

  #away() {
    if (this.player.mode !== "playing") return;
    this.player.pause();
    this.player.notice(t("pausedAway"));
  }

  #pageGoes() {
    if (this.player.mode === "playing") this.player.quiet();
    this.player.keeper.leavePage();
  }

  #lookRound() {
    const { player } = this;
    const { root, node } = player;
    player.stage.settle();
    player.pointer.check();
    player.session.checkAnswering();
    if (player.active) {
      const unseen = root.ownerDocument.hidden || node.flags?.collapsed || !root.isConnected;
      if (unseen || player.blocked) player.pause();
    } else {
      player.sync();
      player.recover();
    }
    player.face.look();
  }
}
