/** Where the live edge is in a playlist with a gap. */
import type { LevelDetails } from "hls.js";
import { expect, test } from "vitest";
import { playable } from "../src/engine/edge";

type Listed = Pick<LevelDetails, "fragmentHint" | "fragments">;

/** Segments of two seconds; "-" is a gap. */
function listed(kinds: string, hinted = false): Listed {
  const every = [...kinds].map((kind, at) => ({ start: 2 * at, end: 2 * at + 2, gap: kind === "-" }));
  const fragmentHint = hinted ? every.pop() : undefined;
  return { fragments: every, fragmentHint } as unknown as Listed;
}

test("what is there is played where it is meant to be", () => {
  expect(playable(listed("ooo"), 4.5)).toBe(4.5);
  expect(playable(listed("oo--o"), 8.5)).toBe(8.5);
});

test("nobody is sent into a gap", () => {
  expect(playable(listed("oo--o"), 4.5)).toBe(8);
  expect(playable(listed("oo--o", true), 7.9)).toBe(8);
  expect(playable(listed("oo--"), 7)).toBe(3.5);
  expect(playable(listed("--"), 3)).toBe(3);
});
