// A control track in the page: rows of controls and events, packed exactly as
// gwm_core.controls.Controls.to_json packs them, so that both sides write the same text.

const VERSION = 1;
const FIRST_CAPACITY = 512;

// Column names of an embodiment, in order.
export function columnNames(embodiment) {
  return columnsOf(embodiment).map(([, name]) => name);
}

export class Track {
  // names: columns; units: per column the step its values are packed in (1 for buttons).
  constructor(names, units, embodiment = "") {
    this.names = names;
    this.units = units;
    this.embodiment = embodiment;
    this.ticks = 0;
    this.events = [];
    this.values = new Float32Array(0);
  }

  static of(embodiment) {
    const columns = columnsOf(embodiment);
    return new Track(
      columns.map(([, name]) => name),
      columns.map(([spec]) => unitOf(spec)),
      embodiment.name,
    );
  }

  // Whether this track's columns are those of an embodiment.
  fits(embodiment) {
    const names = columnNames(embodiment);
    return names.length === this.names.length && names.every((name, i) => name === this.names[i]);
  }

  // Rows that follow tick `start`; what was there before is cut off. Events that wait after the
  // last tick stay when the rows follow them: the server may or may not name them again.
  append(start, rows, events) {
    if (start > this.ticks) throw new RangeError(`track: a gap from ${this.ticks} to ${start}`);
    const waiting = start === this.ticks ? this.events.filter(([tick]) => tick === start) : [];
    const told = events.filter(([tick]) => tick === start);
    this.events = this.events.filter(([tick]) => tick < start);
    this.ticks = start;
    const width = this.names.length;
    this.#reserve((start + rows.length) * width);
    for (const row of rows) {
      if (row.length !== width) throw new RangeError(`track: a row of ${row.length} values`);
      this.values.set(row, this.ticks * width);
      this.ticks++;
    }
    this.events.push(...(told.length >= waiting.length ? told : waiting));
    this.events.push(...events.filter(([tick]) => tick > start));
  }

  // Ticks [0, tick) stay; events that wait at a cut belong to what is cut off.
  cut(tick) {
    if (tick >= this.ticks) return;
    this.ticks = Math.max(0, tick);
    this.events = this.events.filter(([at]) => at < this.ticks);
  }

  // An event after the last tick: it holds from the next one on.
  wait(text) {
    this.events.push([this.ticks, text]);
  }

  copy() {
    const other = new Track(this.names, this.units, this.embodiment);
    other.values = this.values.slice(0, this.ticks * this.names.length);
    other.ticks = this.ticks;
    other.events = this.events.map((event) => [...event]);
    return other;
  }

  get empty() {
    return this.ticks === 0 && this.events.length === 0;
  }

  toJSON() {
    const columns = {};
    this.names.forEach((name, index) => {
      const column = this.#column(index);
      if (column.some((value) => value !== 0)) columns[name] = pack(column, this.units[index]);
    });
    return {
      gwm_controls: VERSION,
      embodiment: this.embodiment,
      names: [...this.names],
      ticks: this.ticks,
      columns,
      events: this.events.map(([tick, text]) => [tick, text]),
    };
  }

  // The track of what toJSON (or the server) made; Error says what is wrong with it.
  static fromJSON(data) {
    if (data?.gwm_controls !== VERSION)
      throw new Error(`controls of version ${data?.gwm_controls}`);
    const { names, ticks, columns = {}, events = [] } = data;
    if (!Array.isArray(names) || !Number.isInteger(ticks) || ticks < 0) {
      throw new Error("controls without names or ticks");
    }
    const units = names.map((name) => columns[name]?.[0] ?? 1);
    const track = new Track([...names], units, data.embodiment ?? "");
    track.#reserve(ticks * names.length);
    for (const [name, packed] of Object.entries(columns)) {
      const index = names.indexOf(name);
      if (index < 0) throw new Error(`controls with an unknown column ${name}`);
      unpack(packed, ticks, (tick, value) => {
        track.values[tick * names.length + index] = value;
      });
    }
    track.ticks = ticks;
    track.events = events.map(([tick, text]) => [tick, text]).sort(([a], [b]) => a - b);
    return track;
  }

  // Columns that were 0 throughout carry no unit in JSON: the embodiment knows them all.
  adopt(embodiment) {
    this.units = columnsOf(embodiment).map(([spec]) => unitOf(spec));
    this.embodiment = embodiment.name;
  }

  #column(index) {
    const column = new Float32Array(this.ticks);
    for (let tick = 0, at = index; tick < this.ticks; tick++, at += this.names.length) {
      column[tick] = this.values[at];
    }
    return column;
  }

  #reserve(size) {
    if (size <= this.values.length) return;
    const width = this.names.length;
    const grown = new Float32Array(Math.max(size, 2 * this.values.length, FIRST_CAPACITY * width));
    grown.set(this.values.subarray(0, this.ticks * width));
    this.values = grown;
  }
}

function columnsOf({ controls }) {
  return controls.flatMap((spec) => {
    if (!spec.components?.length) return [[spec, spec.name]];
    return spec.components.map((part) => [spec, `${spec.name}_${part}`]);
  });
}

function unitOf(spec) {
  return spec.kind === "axis" && spec.step > 0 ? spec.step : 1;
}

// [unit, runs] of one column; unit 1 with plain decimals where it is not on the grid.
function pack(column, unit) {
  const exact = column.every((value) => Math.fround(roundEven(value / unit) * unit) === value);
  const runs = [];
  for (let start = 0, end = 0; start < column.length; start = end) {
    while (end < column.length && column[end] === column[start]) end++;
    const value = column[start];
    const text = exact ? String(roundEven(value / unit) + 0) : shortest(value);
    runs.push(end - start === 1 ? text : `${text}*${end - start}`);
  }
  return [exact ? unit : 1, runs.join(" ")];
}

function unpack(packed, ticks, put) {
  if (!Array.isArray(packed) || !(packed[0] > 0) || typeof packed[1] !== "string") {
    throw new Error("controls with a damaged column");
  }
  const [unit, runs] = packed;
  let tick = 0;
  for (const run of runs.split(/\s+/).filter(Boolean)) {
    const [number, count = "1"] = run.split("*");
    const value = Math.fround(Number(number) * unit);
    const end = tick + Number(count);
    if (!Number.isFinite(value) || !(end > tick) || end > ticks) {
      throw new Error("controls with a damaged column");
    }
    while (tick < end) put(tick++, value);
  }
  if (tick !== ticks) throw new Error("controls with a short column");
}

// As numpy rounds: halves to the even neighbour.
function roundEven(value) {
  const low = Math.floor(value);
  const part = value - low;
  if (part !== 0.5) return Math.round(value) || 0;
  return low % 2 === 0 ? low : low + 1;
}

// The shortest decimal text that reads back as exactly this float32.
export function shortest(value) {
  if (value === 0) return "0";
  let digits = 1;
  while (digits < 9 && Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(digits));
  if (size >= 1e-4 && size < 1e9) return positional(rounded);
  const [mantissa, exponent] = rounded.toExponential().split("e");
  const power = Number(exponent);
  const text = String(Math.abs(power)).padStart(2, "0");
  return `${mantissa}e${power < 0 ? "-" : "+"}${text}`;
}

// Numbers from 1e-4 to 1e9 are printed by JavaScript without an exponent already.
function positional(number) {
  return String(number);
}
