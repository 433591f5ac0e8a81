/** Keeps the playhead where the live edge is meant to be: a little faster or slower, and a jump where that is too far. */
import type { Tier } from "../engine/engine";

/** All in seconds but the rates. */
export interface Manner {
  /** Off by so much, the speed changes until it is a quarter of it. */
  ease: number;
  /** Off by so much, one jumps. */
  far: number;
  faster: number;
  /** After a stall one stays back by `step` more, up to so many `steps`; each calm while takes one back. */
  step: number;
  steps: number;
}

export const MANNERS: Readonly<Record<Tier, Manner>> = {
  normal: { ease: 0.6, far: 9, faster: 1.03, step: 0.5, steps: 6 },
  low: { ease: 0.15, far: 1.5, faster: 1.05, step: 0.25, steps: 8 },
  push: { ease: 0.08, far: 1, faster: 1.05, step: 0.05, steps: 10 },
};

const SLOWER = 0.97;
const CALM_MS = 20_000;

export class Chase {
  private steps = 0;
  private rate = 1;
  private calmSince = 0;

  constructor(readonly manner: Manner) {}

  /** How many seconds one stays further back than the engine means to, because of stalls. */
  get back(): number {
    return this.steps * this.manner.step;
  }

  /** Stay further back: what was there did not last. Return false where that has been done often enough. */
  stalled(now: number): boolean {
    this.calmSince = now;
    if (this.steps >= this.manner.steps) return false;
    this.steps += 1;
    return true;
  }

  /**
   * Take how many seconds the playhead is behind where one means to be, `back` included; return the speed to play at,
   * or by how much to jump.
   */
  step(off: number, now: number): { rate: number; jump: number } {
    if (this.steps > 0 && now - this.calmSince > CALM_MS) {
      this.calmSince = now;
      this.steps -= 1;
    }
    const { ease, far, faster } = this.manner;
    if (Math.abs(off) > far) {
      this.rate = 1;
      return { rate: 1, jump: off };
    }
    if (off > ease) this.rate = faster;
    else if (off < -ease) this.rate = SLOWER;
    else if (Math.abs(off) < ease / 4 || off > 0 !== this.rate > 1) this.rate = 1;
    return { rate: this.rate, jump: 0 };
  }
}
