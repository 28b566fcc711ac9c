// Where on the page a player stands. The host mounts the element that a widget gives it; but
// Nodes 2.0 of some frontends keep the element of the node that was there before when a node is
// made anew under the same id (undo, reload of the workflow). Then the player stands in that one.

const MOST = 200;

const former = new Map(); // place of a node -> the last element that stood for it

export class Stage {
  // element: what the widget gives the host.
  constructor(element) {
    this.element = element;
    this.root = null;
    this.key = null;
    this.sizes = new ResizeObserver(() => this.settle());
    this.sizes.observe(element);
  }

  // A player comes; `key` tells nodes of all graphs apart.
  enter(root, key) {
    this.root = root;
    this.key = key;
    this.element.replaceChildren(root);
    requestAnimationFrame(() => this.settle());
  }

  leave() {
    this.root?.remove();
    this.root = null;
    if (this.key === null) return;
    former.delete(this.key);
    former.set(this.key, this.#standing ?? this.element);
    if (former.size > MOST) former.delete(former.keys().next().value);
  }

  // Called now and then: the host may mount and unmount elements at any time.
  settle() {
    if (!this.root) return;
    const standing = this.#standing;
    if (standing && this.root.parentNode !== standing) standing.replaceChildren(this.root);
  }

  get #standing() {
    if (this.element.isConnected) return this.element;
    const other = former.get(this.key);
    return other?.isConnected ? other : null;
  }
}
