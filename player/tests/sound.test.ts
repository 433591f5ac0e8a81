/** Which group of audio is heard. */
import { expect, test } from "vitest";
import { groupFor } from "../src/engine/sound";

const both = [
  { groupId: "stereo", channels: "2" },
  { groupId: "surround", channels: "6" },
];
const never = (): number => {
  throw new Error("asked for nothing");
};

test("surround is for devices that have the channels", () => {
  expect(groupFor(both, () => 2)).toBe("stereo");
  expect(groupFor(both, () => 6)).toBe("surround");
  expect(groupFor([...both].reverse(), () => 4)).toBe("stereo");
});

test("a device that says nothing of use hears stereo, or the least there is", () => {
  expect(groupFor(both, () => 0)).toBe("stereo");
  expect(groupFor([{ groupId: "a", channels: "8" }, { groupId: "b", channels: "6" }], () => 2)).toBe("b");
});

test("where there is no choice the device is not asked", () => {
  expect(groupFor([], never)).toBeUndefined();
  expect(groupFor([{ groupId: "surround", channels: "6" }], never)).toBeUndefined();
  expect(groupFor([{ groupId: "low" }, { groupId: "high" }], never)).toBe("high");
});
