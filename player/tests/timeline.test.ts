/** Arithmetic of the timeline, times in words, storyboards, rungs and shortcuts. */
import { expect, test } from "vitest";
import { requestFor } from "../src/store/keys";
import { pictures } from "../src/store/levels";
import { ahead, clamp, fractions, holds, joined, withNumber, withoutNumber } from "../src/store/spans";
import { parseStoryboard, tileAt } from "../src/store/storyboard";
import { bitrate, clock, parseTime, remaining, size, spoken } from "../src/store/words";
import { Pace } from "../src/upload/pace";

test("spans are sorted, joined and freed of the empty", () => {
  expect(joined([[5, 6], [1, 2], [2, 3], [4, 4]])).toEqual([[1, 3], [5, 6]]);
  expect(joined([[0, 1], [1.2, 2]], 0.5)).toEqual([[0, 2]]);
});

test("what is ahead of the playhead is the rest of its span", () => {
  expect(ahead([[0, 4], [6, 10]], 7)).toBe(3);
  expect(ahead([[0, 4]], 5)).toBe(0);
});

test("clamping keeps to the lower end of an empty range", () => {
  expect(clamp(5, 0, 3)).toBe(3);
  expect(clamp(5, 2, 1)).toBe(2);
});

test("segment numbers become runs, and runs fractions of the whole", () => {
  let runs: [number, number][] = [];
  for (const number of [3, 0, 1, 2, 7, 7]) runs = withNumber(runs, number);
  expect(runs).toEqual([[0, 3], [7, 7]]);
  expect(fractions(runs, 8)).toEqual([[0, 0.5], [0.875, 1]]);
  expect(fractions(runs, 0)).toEqual([]);
});

test.each([
  [0, "0:00"],
  [67.9, "1:07"],
  [3723, "1:02:03"],
  [Number.NaN, "0:00"],
])("%d seconds read %s", (seconds, text) => expect(clock(seconds)).toBe(text));

test.each([
  ["83", 83],
  ["1m23s", 83],
  ["1:23", 83],
  ["1h2m3s", 3723],
  ["1:02:03", 3723],
  ["", Number.NaN],
  ["soon", Number.NaN],
  ["-5", Number.NaN],
])("t=%s is %d seconds", (text, seconds) => expect(parseTime(text)).toEqual(seconds));

test("numbers in words", () => {
  expect(size(999)).toBe("999 B");
  expect(size(4_368_890)).toBe("4.4 MB");
  expect(bitrate(2_140_000)).toBe("2.1 Mbit/s");
  expect(remaining(59)).toBe("59 s");
  expect(remaining(4800)).toBe("1 h 20 min");
  expect(spoken(3661)).toBe("1 hour 1 minute 1 second");
});

const VTT = `WEBVTT

NOTE sheets of four

00:00:00.000 --> 00:00:05.000
storyboard/0.jpg#xywh=0,0,160,90

00:00:05.000 --> 01:00:10.500
storyboard/0.jpg#xywh=160,0,160,90

00:00:20.000 --> 00:00:25.000
just words
`;

test.each(["\n", "\r\n"])("a storyboard names a rectangle for each time (%j)", (end) => {
  const tiles = parseStoryboard(VTT.replaceAll("\n", end), "http://host/v/a/g/storyboard.vtt");
  expect(tiles).toHaveLength(2);
  expect(tiles[1]).toEqual({
    start: 5,
    end: 3610.5,
    url: "http://host/v/a/g/storyboard/0.jpg",
    x: 160,
    y: 0,
    width: 160,
    height: 90,
  });
  expect(tileAt(tiles, 4.9)).toBe(tiles[0]);
  expect(tileAt(tiles, 5)).toBe(tiles[1]);
  expect(tileAt([], 5)).toBeUndefined();
});

test("each picture is offered once, with the audio that is heard", () => {
  const level = (height: number, audio: string) => ({ width: height * 2, height, bitrate: height, frameRate: 24, audio });
  const levels = [level(144, "stereo"), level(144, "surround"), level(480, "stereo"), level(480, "surround")];
  expect(pictures(levels, 3).map(({ index }) => index)).toEqual([3, 1]);
  expect(pictures(levels, 0).map(({ index }) => index)).toEqual([2, 0]);
});

test("keys are YouTube's, and those with a modifier are not ours", () => {
  expect(requestFor({ key: "j" })).toEqual({ type: "nudge", by: -10 });
  expect(requestFor({ key: "K" })).toEqual({ type: "toggle" });
  expect(requestFor({ key: "7" })).toEqual({ type: "share", part: 0.7 });
  expect(requestFor({ key: "?" })).toBe("help");
  expect(requestFor({ key: "c", ctrlKey: true })).toBeUndefined();
  expect(requestFor({ key: "q" })).toBeUndefined();
});

test("an upload's pace is that of its last seconds", () => {
  const pace = new Pace();
  expect(pace.mark(0, 0)).toBe(0);
  expect(pace.mark(1000, 1000)).toBe(1000);
  for (let second = 2; second <= 20; second += 1) pace.mark(1000 + (second - 1) * 100, second * 1000);
  expect(pace.mark(3000, 21_000)).toBeCloseTo(100, 0);
});

test("numbers are put into runs and taken out again", () => {
  const runs: [number, number][] = [[1, 3], [5, 5]];
  expect(withNumber(runs, 4)).toEqual([[1, 5]]);
  expect(withoutNumber(runs, 2)).toEqual([[1, 1], [3, 3], [5, 5]]);
  expect(withoutNumber(runs, 5)).toEqual([[1, 3]]);
  expect(withoutNumber(runs, 1)).toEqual([[2, 3], [5, 5]]);
  expect(withoutNumber(runs, 4)).toEqual(runs);
  expect([0, 1, 3, 4, 5, 6].filter((number) => holds(runs, number))).toEqual([1, 3, 5]);
});
