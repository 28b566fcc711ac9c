// Queues just what a player needs: the graph above its node runs, and hands its world (or its
// character) to the server's live players under a token that this page has made up.
import { api, app, executionIds } from "./host.js";
import { t } from "./text.js";

const POLL_MS = 2500;
const BUSY_AFTER_MS = 1200;
const FRONT = -1; // of the queue

// Why a world could not be had, as a sentence for the person who pressed Play.
export class OpenError extends Error {}

// The run that this node would take part in: {prompt, id, signature}.
export async function plan(node, input = "world", missing = t("noWorld")) {
  const prompt = await app.graphToPrompt();
  const id = executionIds(node).find((one) => one in prompt.output);
  if (id === undefined) throw new OpenError(t("notInRun"));
  if (!Array.isArray(prompt.output[id].inputs[input])) throw new OpenError(missing);
  return { prompt, id, signature: signatureOf(prompt.output, id, input) };
}

// What the world of a node is made of, as text: equal texts give equal worlds.
export function signatureOf(output, id, input = "world") {
  const parts = {};
  const visit = (one) => {
    if (one in parts || !output[one]) return;
    const { class_type, inputs } = output[one];
    parts[one] = [class_type, inputs];
    for (const value of Object.values(inputs)) if (isLink(value)) visit(String(value[0]));
  };
  const world = output[id].inputs[input];
  visit(String(world[0]));
  return JSON.stringify([world, Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

function isLink(value) {
  return Array.isArray(value) && value.length === 2 && typeof value[1] === "number";
}

export function makeToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Runs the plan with a token in place of the walk (or of another widget). `told(text, done, total)`
// says what happens.
// Resolves when the world has been handed over; rejects with OpenError, or an AbortError.
export async function run({ prompt, id }, token, told, signal, widget = "walk") {
  const watch = new Watch(prompt.output, told);
  try {
    prompt.output[id].inputs[widget] = JSON.stringify({ gwm_open: token });
    told(t("preparing"));
    const reply = await queue(prompt, id);
    await watch.until(reply.prompt_id, signal);
  } finally {
    watch.stop();
  }
}

async function queue(prompt, id) {
  let reply;
  try {
    reply = await api.queuePrompt(FRONT, prompt, { partialExecutionTargets: [id] });
  } catch (error) {
    throw new OpenError(refusal(error, prompt.output));
  }
  if (!reply?.prompt_id) throw new OpenError(refusal({ response: reply }, prompt.output));
  return reply;
}

// The first thing that the host finds wrong with a prompt, and in which node.
function refusal(error, output) {
  const { node_errors: nodes, error: whole } = error?.response ?? {};
  for (const [id, { errors }] of Object.entries(nodes ?? {})) {
    const [first] = errors ?? [];
    if (!first) continue;
    const title = output[id]?._meta?.title ?? output[id]?.class_type ?? id;
    const details = first.details ? ` (${first.details})` : "";
    return `${title}: ${first.message}${details}`;
  }
  return (
    whole?.message ?? (typeof whole === "string" ? whole : null) ?? error?.message ?? t("noServer")
  );
}

// Follows one prompt through the host's events, and through its history where those are lost.
class Watch {
  constructor(output, told) {
    this.output = output;
    this.told = told;
    this.ends = new Map(); // prompt id -> error or null; an end may come before the reply does
    this.listening = new AbortController();
    const on = (type, handle) =>
      api.addEventListener(type, ({ detail }) => detail && handle(detail), {
        signal: this.listening.signal,
      });
    on("execution_start", ({ prompt_id: id }) => this.#started(id));
    on("progress_state", (state) => this.#progress(state));
    on("execution_success", ({ prompt_id: id }) => this.#ended(id, null));
    on("execution_interrupted", ({ prompt_id: id }) => this.#ended(id, t("interrupted")));
    on("execution_error", (error) => this.#ended(error.prompt_id, this.#explain(error)));
  }

  until(promptId, signal) {
    this.id = promptId;
    this.busy = setTimeout(() => this.told(t("queueBusy")), BUSY_AFTER_MS);
    this.poll = setInterval(() => this.#look(), POLL_MS);
    return new Promise((resolve, reject) => {
      this.settle = (why) => (why ? reject(new OpenError(why)) : resolve());
      if (this.ends.has(promptId)) this.settle(this.ends.get(promptId));
      signal?.addEventListener("abort", () => {
        cancel(promptId);
        reject(new DOMException("cancelled", "AbortError"));
      });
    });
  }

  stop() {
    this.listening.abort();
    clearTimeout(this.busy);
    clearInterval(this.poll);
  }

  #started(id) {
    if (this.id === undefined || id === this.id) clearTimeout(this.busy);
    if (id === this.id) this.told(t("preparing"));
  }

  #progress({ prompt_id: id, nodes }) {
    if (id !== this.id) return;
    clearTimeout(this.busy);
    const running = Object.values(nodes ?? {}).find((node) => node.state === "running");
    const title = running && this.output[running.display_node_id ?? running.node_id]?._meta?.title;
    if (title) this.told(title, running.max > 1 ? running.value : 0, running.max);
  }

  #ended(id, why) {
    this.ends.set(id, why);
    if (id === this.id) this.settle?.(why);
  }

  #explain({ node_id: id, node_type: type, exception_message: message }) {
    const title = this.output[id]?._meta?.title ?? type;
    return `${title}: ${String(message ?? "").trim()}`;
  }

  async #look() {
    try {
      const reply = await api.fetchApi(`/history/${this.id}`);
      const { status } = (await reply.json())[this.id] ?? {};
      if (!status) return;
      const [, error] = status.messages?.find(([kind]) => kind === "execution_error") ?? [];
      if (error) this.#ended(this.id, this.#explain(error));
      else this.#ended(this.id, status.status_str === "success" ? null : t("interrupted"));
    } catch {
      // The server is away: the next look may find it.
    }
  }
}

// Takes a prompt out of the queue, or stops it.
function cancel(promptId) {
  const post = (route, body) =>
    api
      .fetchApi(route, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      })
      .catch(() => {});
  post("/queue", { delete: [promptId] });
  post("/interrupt", { prompt_id: promptId });
}
