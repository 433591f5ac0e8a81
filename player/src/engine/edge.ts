/** hls.js at the live edge: its settings, and what it knows of the window. */
import type Hls from "hls.js";
import type { HlsConfig, LevelDetails } from "hls.js";
import type { LiveWindow } from "./engine";

/**
 * How fast to play and how far from the edge is decided in one place for all engines (store/chase.ts), so hls.js
 * neither changes the speed nor moves its target away after a stall, which it never takes back.
 */
export const LIVE: Partial<HlsConfig> = {
  maxLiveSyncPlaybackRate: 1,
  liveSyncOnStallIncrease: 0,
  liveDurationInfinity: true,
  maxFragLookUpTolerance: 0.1, // less than any part: with more the last one of a segment is passed over
};

/** Before what is not there any more one stays so far behind the end of what is. */
const BEFORE_GAP_S = 0.5;

/** Return where the stream stands at media second `time`, null where it is not live. */
export function windowOf(hls: Hls, time: number): LiveWindow | null {
  const details = hls.latestLevelDetails;
  const target = hls.liveSyncPosition;
  if (!details?.live || target === null) return null;
  const shown = details.fragments.findLast(({ start }) => start <= time) ?? details.fragments[0];
  const dated = shown?.programDateTime ?? null;
  return {
    start: details.fragmentStart,
    target: playable(details, target),
    epoch: shown && dated !== null ? dated - shown.start * 1000 : Number.NaN,
  };
}

/**
 * Return where to play instead of a place in a gap, which a server that was killed leaves: nothing is ever loaded there,
 * and who seeks to it stays there. That is behind the gap, or before it while nothing has come behind.
 */
export function playable({ fragmentHint, fragments }: Pick<LevelDetails, "fragmentHint" | "fragments">, target: number): number {
  const listed = fragmentHint ? [...fragments, fragmentHint] : fragments;
  const at = listed.findLastIndex(({ start }) => start <= target);
  if (!listed[at]?.gap) return target;
  const next = listed.slice(at).find(({ gap }) => !gap);
  const last = listed.slice(0, at).findLast(({ gap }) => !gap);
  return next?.start ?? (last ? Math.max(last.start, last.end - BEFORE_GAP_S) : target);
}
