// Nothing recorded is lost: while a walk is recorded, the tab keeps a copy of it, which a player
// adopts that finds itself where the recording began (after a reload of the page, or when the host
// makes its node anew).
import { rootGraph } from "./host.js";

const PREFIX = "gwm.walk:";
const FRESH_MS = 3000;

// Recordings whose node was taken away a moment ago, and players that were just made: a node that
// is moved into a subgraph is made anew with the walk it had before the recording.
const orphans = [];
const fresh = new Map(); // player -> when it was made

// Where a node stands: {root, key}. Asked while it stands there, since hosts forget it early.
export function placeOf(node) {
  const root = rootGraph()?.id ?? "";
  return { root, key: `${PREFIX}${root}:${node.graph?.id ?? ""}:${node.id}` };
}

// `began`: the widget's text when the recording began. `text`: what it would be now.
export function keepCopy({ key }, began, text) {
  try {
    sessionStorage.setItem(key, JSON.stringify({ began: digest(began), text }));
  } catch {
    // Full or forbidden: the widget is written at the end all the same.
  }
}

export function dropCopy({ key }) {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // Forbidden storage holds nothing.
  }
}

// The walk that was being recorded from `text` in this place when the page went away, or null.
export function findCopy({ root, key }, text) {
  const orphan = orphans.findIndex(
    (one) => one.began === text && one.root === root && isRecent(one.at),
  );
  if (orphan >= 0) return orphans.splice(orphan, 1)[0].text;
  try {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
    if (kept?.began === digest(text)) return kept.text;
  } catch {
    // Damaged or forbidden: there is no copy.
  }
  return null;
}

export function noteFresh(player) {
  fresh.set(player, performance.now());
}

// A recording lost its node: a player that was just made with the same walk takes it, or the next
// one that comes.
export function handOver(player, { root }, began, text) {
  for (const [other, at] of fresh) {
    if (!isRecent(at)) fresh.delete(other);
    else if (other !== player && other.adopt(root, began, text)) return;
  }
  while (orphans.length && !isRecent(orphans[0].at)) orphans.shift();
  orphans.push({ root, began, text, at: performance.now() });
}

export function forget(player) {
  fresh.delete(player);
}

function isRecent(at) {
  return performance.now() - at < FRESH_MS;
}

// Length and a 53 bit hash (cyrb53): walks are long, and storage is not.
export function digest(text) {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return `${text.length}:${(4294967296 * (2097151 & b) + (a >>> 0)).toString(36)}`;
}
