/** Which rung is fetched while rungs are still being encoded. */
import { expect, test } from "vitest";
import { type Moment, prefer } from "../src/engine/prefer";
import { renditionOf, segmentOf } from "../src/engine/presence";

const START: Moment = {
  bitrates: [400_000, 900_000, 2_500_000, 6_000_000],
  wanted: 1,
  loading: -1,
  next: 0,
  count: 20,
  ahead: 0,
  bandwidth: 2_000_000,
  measured: false,
};

/** Which segments each rung has, the lowest first: "###..." are the first three. */
function having(...rungs: string[]): (rung: number, number: number) => boolean {
  return (rung, number) => rungs[rung]?.[number] === "#";
}

const NOTHING = having("", "", "", "");

test("where everything is there the engine's choice stands", () => {
  for (const wanted of [0, 1, 2, 3]) expect(prefer({ ...START, wanted }, () => true)).toBe(wanted);
});

test("where nothing is there the lowest is asked for, which is made first", () => {
  expect(prefer({ ...START, wanted: 3 }, NOTHING)).toBe(0);
});

test("a copied rung is there before any other, and is taken as far as the line may carry it", () => {
  const copied = having("", "", "", "#".repeat(20));
  expect(prefer(START, copied)).toBe(3);
  expect(prefer({ ...START, measured: true }, copied)).toBe(0);
  expect(prefer({ ...START, measured: true, bandwidth: 7_000_000 }, copied)).toBe(3);
  expect(prefer({ ...START, bandwidth: 1_000_000 }, copied)).toBe(0);
});

test("what exists below is taken before what has to be made", () => {
  expect(prefer({ ...START, wanted: 2, next: 1 }, having("##", "##", "#", ""))).toBe(1);
  expect(prefer({ ...START, wanted: 2, next: 1 }, having("##", "#", "#", "##"))).toBe(0);
});

test("with much ahead there is time to wait", () => {
  expect(prefer({ ...START, wanted: 2, ahead: 11, measured: true }, having("#", "", "", ""))).toBe(0);
  expect(prefer({ ...START, wanted: 2, ahead: 12, measured: true }, having("#", "", "", ""))).toBe(2);
});

test("it climbs where two segments of the better rung are there, and stays where one is", () => {
  const moment = { ...START, wanted: 2, loading: 1, next: 3 };
  expect(prefer(moment, having("", "#####", "####", ""))).toBe(1);
  expect(prefer(moment, having("", "#####", "#####", ""))).toBe(2);
  expect(prefer({ ...moment, loading: 2 }, having("", "#####", "####", ""))).toBe(2);
  expect(prefer({ ...moment, count: 4 }, having("", "####", "####", ""))).toBe(2);
});

test("one segment of a better rung is taken before nothing at all", () => {
  expect(prefer({ ...START, wanted: 2, loading: 0, next: 3 }, having("###", "###", "####", ""))).toBe(2);
});

test("after a seek to where nothing is, the lowest is asked for whatever was shown before", () => {
  expect(prefer({ ...START, wanted: 2, loading: 2, next: 15, measured: true }, having("####", "####", "####", ""))).toBe(0);
});

test("addresses name rendition and segment", () => {
  expect(renditionOf("http://host/v/abc/360p.m3u8")).toBe("360p");
  expect(renditionOf("/v/abc/audio-1.m3u8?x=1")).toBe("audio-1");
  expect(renditionOf("data:x")).toBe("");
  expect(segmentOf("http://host/v/abc/0f3a/360p/17.m4s")).toEqual(["360p", 17]);
  expect(segmentOf("http://host/v/abc/0f3a/360p/init.mp4")).toBeUndefined();
});
