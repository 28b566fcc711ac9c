// Pictures of walks that this page has seen: a walk that comes back (by undo, paste, branch or
// another tab of the editor) has its thumbnails and its last picture at once.
import { digest } from "./safety.js";

const MOST = 32;

const pages = new Map(); // digest of a walk's text -> {thumbs, poster}

export function keepPictures(text, thumbs, canvas) {
  if (!text || !thumbs.size) return;
  const key = digest(text);
  const poster = canvas ? copyOf(canvas) : (pages.get(key)?.poster ?? null);
  pages.delete(key);
  pages.set(key, { thumbs: new Map(thumbs), poster });
  if (pages.size > MOST) pages.delete(pages.keys().next().value);
}

export function findPictures(text) {
  return (text && pages.get(digest(text))) || null;
}

function copyOf(canvas) {
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  copy.getContext("2d", { alpha: false }).drawImage(canvas, 0, 0);
  return copy;
}
