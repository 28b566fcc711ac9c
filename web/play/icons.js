// The player's icons: outlines on a 24 by 24 grid.

const SVG = "http://www.w3.org/2000/svg";

// Filled shapes, and lines where the name is in LINES.
const PATHS = {
  play: "M8 5v14l11-7z",
  pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  start: "M5 5h2.5v14H5zM20 5v14L9 12z",
  back: "M12 5V1.5L6.5 6.5 12 11.5V8a5.5 5.5 0 1 1-5.5 5.5h-3A8.5 8.5 0 1 0 12 5z",
  step: "M6 5v14l9-7zM16.5 5H19v14h-2.5z",
  record: "M12 6a6 6 0 1 0 0 12 6 6 0 0 0 0-12z",
  stop: "M6.5 6.5h11v11h-11z",
  watch:
    "M12 5C7 5 3.2 8.2 1.5 12 3.2 15.8 7 19 12 19s8.8-3.2 10.5-7C20.8 8.2 17 5 12 5zm0 11.2a4.2 4.2 0 1 1 0-8.4 4.2 4.2 0 0 1 0 8.4z",
  branch: "M7 4v16M7 15c0-5 10-2 10-7.5M14.5 9.5 17 6.5l2.5 3",
  reset: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5",
  shot: "M9.2 5 8 7H4.5v12h15V7H16l-1.2-2zM12 9.3a3.6 3.6 0 1 1 0 7.2 3.6 3.6 0 0 1 0-7.2z",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.5 4.5 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  silent: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9.5l5 5M20.5 9.5l-5 5",
  full: "M4.5 9.5v-5h5M14.5 4.5h5v5M19.5 14.5v5h-5M9.5 19.5h-5v-5",
  unfull: "M9.5 4.5v5h-5M14.5 4.5v5h5M19.5 14.5h-5v5M4.5 14.5h5v5",
  help: "M9.2 9a2.9 2.9 0 1 1 4.3 2.5c-1 .6-1.5 1.2-1.5 2.4M12 17.3v.2",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
};
const LINES = new Set([
  "branch",
  "reset",
  "shot",
  "sound",
  "silent",
  "full",
  "unfull",
  "help",
  "close",
]);

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add(LINES.has(name) ? "is-line" : "is-shape");
  const path = svg.appendChild(document.createElementNS(SVG, "path"));
  path.setAttribute("d", PATHS[name]);
  path.setAttribute("fill-rule", "evenodd");
  return svg;
}
