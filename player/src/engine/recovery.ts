/** Notice that a line is good again. hls.js weighs by loading time, so that small segments teach it next to nothing. */

/** Two segments in a row, each this many times faster than believed. */
const FASTER = 2;
const SURE = 0.8;
/** What comes faster than this came from a cache, and smaller than this tells nothing. */
const SHORTEST_MS = 20;
const SMALLEST_BITS = 400_000;

export class Recovery {
  private before = 0;

  /** Take a loaded segment; return what to believe in from now on, bits a second, or undefined for no change. */
  heard(bits: number, milliseconds: number, believed: number): number | undefined {
    if (milliseconds < SHORTEST_MS || bits < SMALLEST_BITS) return undefined;
    const now = (bits * 1000) / milliseconds;
    const least = Math.min(now, this.before);
    this.before = now;
    if (least < FASTER * believed) return undefined;
    this.before = 0;
    return least * SURE;
  }
}
