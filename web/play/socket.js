// The player's own WebSocket: JSON out, JSON and bytes in. A lost socket is opened again and
// resumes the session, for as long as the server keeps it.

const ROUTE = "/gwm/live";
const FIRST_WAIT = 200;
const LONGEST_WAIT = 4000;
const OPEN_WITHIN = 15000;

// From the page's own address: https gives wss, and a base path of a proxy stays.
export function socketAddress(api, page = location.href, route = ROUTE) {
  const address = new URL(api.apiURL(route), page);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

export class LiveSocket {
  // events: text(message), bytes(buffer), lost(), gone()
  constructor(address, events) {
    this.address = address;
    this.events = events;
    this.socket = null;
    this.session = null; // {id, grace} to resume
    this.closed = false;
    this.timer = 0;
  }

  get ready() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // Resolves when the socket is open; rejects when the server cannot be reached.
  open() {
    if (this.ready) return Promise.resolve();
    this.closed = false;
    clearTimeout(this.timer);
    this.opening ??= this.#connect().finally(() => {
      this.opening = null;
    });
    return this.opening;
  }

  // False where nothing is connected; the caller need not care.
  send(message) {
    if (!this.ready) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  // Bytes, unless too many wait already: then they are dropped.
  sendBytes(bytes, most) {
    if (!this.ready || this.socket.bufferedAmount > most) return false;
    this.socket.send(bytes);
    return true;
  }

  // The connection is given up, not the session: it is resumed on a new one.
  drop() {
    const { socket } = this;
    if (!socket) return;
    this.#lost();
    socket.close();
  }

  close() {
    this.closed = true;
    this.session = null;
    clearTimeout(this.timer);
    this.send({ type: "close" });
    this.socket?.close();
    this.socket = null;
  }

  #connect() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.address);
      socket.binaryType = "arraybuffer";
      const slow = setTimeout(() => socket.close(), OPEN_WITHIN);
      let opened = false;
      socket.onopen = () => {
        clearTimeout(slow);
        opened = true;
        if (this.closed) {
          socket.close();
          reject(new Error("closed"));
          return;
        }
        this.socket = socket;
        resolve();
      };
      socket.onmessage = ({ data }) => {
        if (socket !== this.socket) return;
        if (typeof data === "string") this.events.text(JSON.parse(data));
        else this.events.bytes(data);
      };
      socket.onclose = () => {
        clearTimeout(slow);
        if (!opened) reject(new Error("refused"));
        else if (socket === this.socket) this.#lost();
      };
    });
  }

  #lost() {
    this.socket = null;
    if (this.closed) return;
    if (!this.session) {
      this.events.gone();
      return;
    }
    this.events.lost();
    this.#again(FIRST_WAIT, performance.now() + this.session.grace * 1000);
  }

  // Tries again, less and less often, until the server has forgotten the session.
  #again(wait, until) {
    this.timer = setTimeout(async () => {
      if (this.closed || !this.session) return;
      try {
        await this.open();
        this.send({ type: "resume", session: this.session.id });
      } catch {
        if (this.closed) return;
        if (performance.now() < until) this.#again(Math.min(2 * wait, LONGEST_WAIT), until);
        else this.events.gone();
      }
    }, wait);
  }
}
