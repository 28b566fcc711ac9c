// Puts a panel into every Live Avatar node: its own widget comes last and is never saved; the name
// of the take stays in a widget as any other.
import { addPlace, after, forwardWheel } from "../play/node.js";
import { placeOf } from "../play/safety.js";
import { Stage } from "../play/stage.js";
import { AvatarPanel } from "./panel.js";

const NODE = "GWMLiveAvatar";
const TAKE = "take";
const WIDGET = "avatar";
const LEAST_HEIGHT = 320;
const SIZE = [420, 700];

export function addAvatarPanel(node) {
  if (node.comfyClass !== NODE || node.widgets?.some(({ name }) => name === WIDGET)) return;
  const take = node.widgets?.find(({ name }) => name === TAKE);
  if (!take) return;
  const { widget, place } = addPlace(node, WIDGET, "gwm_avatar", LEAST_HEIGHT, SIZE);
  widget.panel = null;
  const stage = new Stage(place);
  const begin = () => {
    if (widget.panel) return;
    widget.panel = new AvatarPanel(node, take);
    stage.enter(widget.panel.root, placeOf(node).key);
  };
  after(node, "onAdded", begin);
  after(node, "onRemoved", () => {
    widget.panel?.dispose();
    widget.panel = null;
    stage.leave();
  });
  after(node, "onConfigure", () => widget.panel?.sync());
  after(take, "callback", () => widget.panel?.sync());
  forwardWheel(place);
  if (node.graph) begin();
}
