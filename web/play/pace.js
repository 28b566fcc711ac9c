// When a tick is seen and heard. Ticks come unevenly: one that was made quickly is held back a
// little, so that pictures are even and sound never runs out while a slower one is made; sound
// stays within one tick (83 ms) of its picture.

const MOST = 100; // ms from a tick's time by the world's clock to its picture: where ticks are slow…
const LEAST = 35; // …and where they are fast
const SPARE = 14; // above the slowest tick of late
const SOUND = 72; // ms from picture to sound
const LEAD = 80; // ms that the sound of a late tick may be before its time
const STEP_SOUND = 30; // the same for a single tick, which nothing follows
const [FEW, KEPT] = [60, 600]; // ticks that are looked at
const LATELY = 8; // ticks that all come too late, until the clock is set back

export class Pace {
  constructor() {
    this.hold = MOST;
    this.ages = []; // ms from a tick's time until it came
    this.overdue = []; // ms by which the latest ticks came later than they are held
  }

  // A stretch of ticks begins: how long they are held depends on those before.
  begin() {
    this.overdue.length = 0;
    if (this.ages.length < FEW) return;
    this.hold = Math.min(MOST, Math.max(LEAST, Math.max(...this.ages) + SPARE));
  }

  // {seen, heard, steady} of a tick that came at `arrived` (performance.now()). Its header says how
  // late it was made and how long that took. steady: ticks follow one another.
  times({ late = 0, made = 0 }, arrived, steady) {
    if (!steady) return { seen: arrived, heard: arrived + STEP_SOUND, steady };
    this.ages.push(late + made);
    if (this.ages.length > KEPT) this.ages.shift();
    let seen = arrived - late - made + this.hold;
    this.overdue.push(Math.max(0, arrived - seen));
    if (this.overdue.length > LATELY) this.overdue.shift();
    if (this.overdue.length === LATELY) seen += Math.min(...this.overdue);
    // A late picture is shown at once. Sound keeps to the world's clock all the same, but is never
    // heard long before its picture.
    const heard = Math.max(seen, arrived - LEAD) + SOUND;
    return { seen: Math.max(arrived, seen), heard, steady };
  }
}
