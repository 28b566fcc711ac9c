// The pack's front end: registers one extension; what it does lives in the other files.
import { app } from "../../scripts/app.js";
import { addCheckLine, refreshCheckLine } from "./check_line.js";

app.registerExtension({
  name: "gwm.CheckLine",

  nodeCreated(node) {
    addCheckLine(node);
  },

  loadedGraphNode(node) {
    refreshCheckLine(node);
  },
});
