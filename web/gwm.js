// The pack's front end: registers its extensions; what they do lives in the other files.
import { app } from "../../scripts/app.js";
import { addAnchors } from "./avatar_anchors.js";
import { addCheckLine, refreshCheckLine } from "./check_line.js";
import { addAvatarPanel } from "./avatar/node.js";
import { addPlayer } from "./play/node.js";
import { playSettings } from "./play/settings.js";

app.registerExtension({
  name: "gwm.CheckLine",

  nodeCreated(node) {
    addCheckLine(node);
  },

  loadedGraphNode(node) {
    refreshCheckLine(node);
  },
});

app.registerExtension({
  name: "gwm.PlayWorld",
  settings: playSettings(),

  nodeCreated(node) {
    addPlayer(node);
  },
});

app.registerExtension({
  name: "gwm.LiveAvatar",

  nodeCreated(node) {
    addAvatarPanel(node);
  },
});

app.registerExtension({
  name: "gwm.Character",

  nodeCreated(node) {
    addAnchors(node);
  },
});
