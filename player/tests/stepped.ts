/** Time that passes when a test says so, and chance with a seed. */
import type { Timer } from "../src/channel/timer";

interface Pause {
  at: number;
  call: () => void;
}

export class Stepped implements Timer {
  now = 0;
  private pauses: Pause[] = [];

  constructor(private readonly chance: () => number = () => 0.5) {}

  after(ms: number, call: () => void): () => void {
    const pause = { at: this.now + ms, call };
    this.pauses.push(pause);
    return () => void (this.pauses = this.pauses.filter((each) => each !== pause));
  }

  spread(): number {
    return this.chance();
  }

  /** Let time pass; what comes due is called in order, and what that leaves to the microtasks is done. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await settled();
    for (;;) {
      const due = this.pauses.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.pauses = this.pauses.filter((each) => each !== due);
      this.now = due.at;
      due.call();
      await settled();
    }
    this.now = end;
  }
}

/** Wait until no microtask is left. */
export async function settled(): Promise<void> {
  await new Promise((done) => setImmediate(done));
}

/** Return numbers in [0, 1) that follow from the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
