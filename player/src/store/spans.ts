/** Arithmetic of the timeline: spans of seconds, clamping, and words for times. */

export type Span = readonly [start: number, end: number];

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

/** Sort, drop the empty and join what touches within `gap` seconds. */
export function joined(spans: readonly Span[], gap = 0): Span[] {
  const result: [number, number][] = [];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    if (end <= start) continue;
    const last = result.at(-1);
    if (last && start <= last[1] + gap) last[1] = Math.max(last[1], end);
    else result.push([start, end]);
  }
  return result;
}

/** Return how many seconds from `time` on lie in one span. */
export function ahead(spans: readonly Span[], time: number): number {
  const span = spans.find(([start, end]) => start <= time + 0.1 && time < end);
  return span ? span[1] - time : 0;
}

/** Turn runs of segment numbers, both ends included, into fractions 0…1 of `count` segments. */
export function fractions(runs: readonly (readonly [number, number])[], count: number): Span[] {
  if (count <= 0) return [];
  return joined(runs.map(([first, last]) => [first / count, Math.min(last + 1, count) / count] as const));
}

/** Return the sum of the spans' lengths. */
export function total(spans: readonly Span[]): number {
  return spans.reduce((sum, [start, end]) => sum + end - start, 0);
}

export function spansOf(ranges: TimeRanges): Span[] {
  return Array.from({ length: ranges.length }, (_, index) => [ranges.start(index), ranges.end(index)] as const);
}

/** Add one number to sorted runs of numbers, returning new runs. */
export function withNumber(runs: readonly (readonly [number, number])[], number: number): [number, number][] {
  const result: [number, number][] = [];
  const all = [...runs, [number, number] as const].sort((a, b) => a[0] - b[0]);
  for (const [first, last] of all) {
    const previous = result.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else result.push([first, last]);
  }
  return result;
}

/** Take one number out of sorted runs of numbers, returning new runs. */
export function withoutNumber(runs: readonly (readonly [number, number])[], number: number): [number, number][] {
  return runs.flatMap(([first, last]): [number, number][] => {
    if (number < first || number > last) return [[first, last]];
    const parts: [number, number][] = [
      [first, number - 1],
      [number + 1, last],
    ];
    return parts.filter(([from, to]) => from <= to);
  });
}

/** Say whether a number lies in one of the runs. */
export function holds(runs: readonly (readonly [number, number])[], number: number): boolean {
  return runs.some(([first, last]) => first <= number && number <= last);
}
