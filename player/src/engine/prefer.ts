/** Which rung is fetched next while rungs are still being encoded: one that exists, before one that would suit better. */

/** With so many seconds ahead there is time to wait for a segment that is made on demand. */
const COMFORT_S = 12;
/** Before anything was measured the line may be this many times better than believed. */
const HOPE = 4;

/** What is to be decided on. Rungs are numbered by rising bit rate; `loading` is the last one fetched, −1 at the start. */
export interface Moment {
  bitrates: readonly number[];
  /** The rung that suits the line, by the engine's own reckoning. */
  wanted: number;
  loading: number;
  /** Number of the segment to be fetched, and how many there are. */
  next: number;
  count: number;
  /** Seconds that are buffered ahead of the playhead. */
  ahead: number;
  /** Bits a second, and whether they were measured. */
  bandwidth: number;
  measured: boolean;
}

/**
 * Return the rung to fetch. A rung that suits is taken where its segment exists, or where there is time to wait for
 * it; else the best existing one below; else an existing one above that the line may carry (a copied rung is there
 * before any other); else the lowest, which is made soonest.
 */
export function prefer(moment: Moment, stored: (rung: number, number: number) => boolean): number {
  const { bitrates, wanted, loading, next, count, ahead } = moment;
  // Climbing to a rung that ends after one segment would only be a flicker.
  const lasting = (rung: number): boolean =>
    stored(rung, next) && (loading < 0 || rung <= loading || next + 1 >= count || stored(rung, next + 1));
  if (ahead >= COMFORT_S || lasting(wanted)) return wanted;
  for (const fits of [lasting, (rung: number) => stored(rung, next)]) {
    for (let rung = wanted; rung >= 0; rung -= 1) if (fits(rung)) return rung;
  }
  const carried = moment.bandwidth * (moment.measured ? 1 : HOPE);
  for (let rung = wanted + 1; rung < bitrates.length && (bitrates[rung] ?? Infinity) <= carried; rung += 1) {
    if (stored(rung, next)) return rung;
  }
  return 0;
}
