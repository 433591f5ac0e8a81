/** YouTube's keyboard shortcuts as requests. */
import type { PlaybackRequest } from "./playback";

export interface Key {
  key: string;
  ctrlKey?: boolean;
  metaKey?: boolean;
  altKey?: boolean;
}

const PLAIN: Record<string, PlaybackRequest> = {
  " ": { type: "toggle" },
  k: { type: "toggle" },
  j: { type: "nudge", by: -10 },
  l: { type: "nudge", by: 10 },
  arrowleft: { type: "nudge", by: -5 },
  arrowright: { type: "nudge", by: 5 },
  arrowup: { type: "louder", by: 0.05 },
  arrowdown: { type: "louder", by: -0.05 },
  m: { type: "mute" },
  f: { type: "fullscreen" },
  c: { type: "captions" },
  i: { type: "pip" },
  "<": { type: "faster", by: -1 },
  ">": { type: "faster", by: 1 },
  ",": { type: "frame", by: -1 },
  ".": { type: "frame", by: 1 },
  home: { type: "share", part: 0 },
  end: { type: "share", part: 1 },
};

/** Return what the key asks of the player; "help" shows the list; undefined where it is not ours. */
export function requestFor({ key, ctrlKey, metaKey, altKey }: Key): PlaybackRequest | "help" | undefined {
  if (ctrlKey || metaKey || altKey) return undefined;
  if (key === "?") return "help";
  if (/^[0-9]$/.test(key)) return { type: "share", part: Number(key) / 10 };
  return PLAIN[key.toLowerCase()];
}

/** The list as a person reads it. */
export const HELP: readonly (readonly [keys: string, meaning: string])[] = [
  ["Space, K", "Play or pause"],
  ["J, L", "Back or forward 10 seconds"],
  ["←, →", "Back or forward 5 seconds"],
  [", .", "One frame back or forward"],
  ["0 … 9", "Jump to 0 % … 90 %"],
  ["Home, End", "To the start or the end; live, to the edge"],
  ["↑, ↓", "Louder or quieter"],
  ["M", "Mute"],
  ["C", "Captions"],
  ["< >", "Slower or faster"],
  ["F", "Full screen"],
  ["I", "Picture in picture"],
  ["?", "This list"],
];
