/** When a line is believed to be good again. */
import { expect, test } from "vitest";
import { Recovery } from "../src/engine/recovery";

test("two fast segments in a row are believed, at less than the slower one's speed", () => {
  const recovery = new Recovery();
  expect(recovery.heard(1_600_000, 250, 500_000)).toBeUndefined();
  expect(recovery.heard(1_600_000, 400, 500_000)).toBe(3_200_000);
  expect(recovery.heard(1_600_000, 400, 3_200_000)).toBeUndefined();
});

test("one fast segment between slow ones is not", () => {
  const recovery = new Recovery();
  for (const milliseconds of [3200, 250, 3200, 250, 3200]) {
    expect(recovery.heard(1_600_000, milliseconds, 500_000)).toBeUndefined();
  }
});

test("what came from a cache, or is small, tells nothing", () => {
  const recovery = new Recovery();
  for (let turn = 0; turn < 3; turn += 1) {
    expect(recovery.heard(1_600_000, 4, 500_000)).toBeUndefined();
    expect(recovery.heard(50_000, 25, 500_000)).toBeUndefined();
  }
});
