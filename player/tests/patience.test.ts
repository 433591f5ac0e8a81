/** How long hls.js is to ask again for what it does not get. */
import type { LoaderConfig } from "hls.js";
import { expect, test } from "vitest";
import { ofPlaylists, ofSegments } from "../src/engine/patience";
import { everything, type Presence } from "../src/engine/presence";

const AIR: Presence = { ...everything, onAir: true };

/** Whether what answered so, or not at all, is asked for again, where hls.js by itself would not. */
function again({ errorRetry }: LoaderConfig, code: number | undefined, timeout = false): boolean | undefined {
  const response = code === undefined ? undefined : { url: "", code };
  return errorRetry?.shouldRetry?.(errorRetry, 50, timeout, response, false);
}

test.each([ofSegments, ofPlaylists])("a broadcast is asked for until its server is back", (policy) => {
  const { default: config } = policy(AIR);
  expect(config.errorRetry?.maxNumRetry).toBe(Number.POSITIVE_INFINITY);
  expect([0, undefined, 502, 503].map((code) => again(config, code))).toEqual([true, true, true, true]);
  expect(again(config, 404)).toBe(false);
});

test.each([ofSegments, ofPlaylists])("of anything else, and of one that was ended, hls.js's own count holds", (policy) => {
  let over = false;
  const { default: config } = policy({ ...everything, get onAir() { return !over; } });
  over = true;
  expect(config.errorRetry?.maxNumRetry).toBeLessThan(10);
  expect([0, 404, 503].map((code) => again(config, code))).toEqual([false, false, false]);
});
