/** What hls.js knows of dates: markers, and when what they name is shown. */
import type { DateRange, Fragment } from "hls.js";
import type { Marked } from "../store/markers";

/** Return the markers of a playlist. Where a date range has other data than ours, it has none. */
export function markersIn(ranges: Readonly<Record<string, DateRange | undefined>>): Marked[] {
  return Object.values(ranges).flatMap((range) => {
    if (!range?.isValid) return [];
    const { id, class: kind, startDate, duration, attr } = range;
    return [{ id, kind, date: startDate.toISOString(), duration, data: read(attr["X-DATA"]) }];
  });
}

/** Return the second at which a date is shown: of one between two stretches, where the later begins; NaN for none. */
export function secondOf(
  segments: readonly Pick<Fragment, "start" | "programDateTime">[],
  date: number,
): number {
  let [first, behind] = [0, segments.length];
  while (first < behind) {
    const middle = (first + behind) >> 1;
    if ((segments[middle]?.programDateTime ?? Infinity) <= date) first = middle + 1;
    else behind = middle;
  }
  const found = segments[first - 1];
  const second = found ? found.start + (date - (found.programDateTime ?? 0)) / 1000 : Number.NaN;
  return Math.min(second, segments[first]?.start ?? second);
}

function read(text = ""): Marked["data"] {
  try {
    return JSON.parse(decodeURIComponent(text)) as Marked["data"];
  } catch {
    return null;
  }
}
