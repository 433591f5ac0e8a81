/** What is told of a viewer, and how often. */
import { beforeEach, expect, test } from "vitest";
import { Beacons } from "../src/store/beacons";
import type { PlaybackState } from "../src/store/playback";
import { Stepped } from "./stepped";

interface Told {
  type: string;
  channel: string;
  cmcd?: Record<string, unknown>;
}

const PLAYING = {
  started: true,
  trouble: null,
  paused: false,
  ended: false,
  waiting: false,
  seeking: false,
  live: null,
  tier: "low",
  delay: Number.NaN,
  ahead: 4.26,
  rate: 1,
  bandwidth: 3_456_789,
  levels: [{ bitrate: 800_000 }, { bitrate: 2_345_678 }],
  shown: 1,
} as unknown as PlaybackState;


let clock: Stepped;
let now: PlaybackState;
let told: Told[];
let beacons: Beacons;

function becomes(change: Partial<PlaybackState>): void {
  now = { ...now, ...change };
  beacons.changed();
}

const kinds = (): string[] => told.map(({ type }) => type);
const last = (): Record<string, unknown> => told.filter(({ cmcd }) => cmcd).at(-1)?.cmcd ?? {};

beforeEach(() => {
  clock = new Stepped();
  now = PLAYING;
  told = [];
  beacons = new Beacons((message) => told.push(message as Told), () => "film", () => now, 432.1, clock, () => clock.now);
  beacons.changed();
});

test("who watches is counted at once and every 15 seconds, and every second time tells how it goes", async () => {
  expect(told).toEqual([{ type: "presence", channel: "asset:film" }]);
  await clock.pass(45_000);
  expect(kinds()).toEqual(["presence", "presence", "beacon", "presence", "presence", "beacon"]);
});

test("a beacon has the keys of CMCD in its units, and nothing that is not known", async () => {
  await clock.pass(15_000);
  const { sid, ...rest } = last();
  expect(sid).toMatch(/^[\d-]+$/);
  expect(rest).toEqual({ v: 2, cid: "film", sf: "h", st: "v", sta: "p", bl: 4300, pr: 1, br: 2346, mtp: 3500, msd: 432 });
  await clock.pass(30_000);
  expect(last()).not.toHaveProperty("msd");
});

test("of a live stream it tells how late the picture is", async () => {
  becomes({ live: { start: 0, target: 10, epoch: 0 }, delay: 1.234, tier: "push", bandwidth: 0, shown: -1 });
  await clock.pass(15_000);
  expect(last()).toMatchObject({ sf: "o", st: "ll", ltc: 1200 });
  expect(last()).not.toHaveProperty("br");
  expect(last()).not.toHaveProperty("mtp");
});

test("a buffer that ran empty is told once, and for how long; a seek is none", async () => {
  becomes({ seeking: true, waiting: true });
  becomes({ seeking: false, waiting: false });
  await clock.pass(15_000);
  expect(last()).not.toHaveProperty("bs");
  becomes({ waiting: true });
  await clock.pass(700);
  becomes({ waiting: false });
  await clock.pass(29_300);
  expect(last()).toMatchObject({ bs: true, bsd: 700 });
  await clock.pass(30_000);
  expect(last()).not.toHaveProperty("bs");
  expect(last()).not.toHaveProperty("bsd");
});

test("a stall that lasts is told in parts", async () => {
  await clock.pass(14_000);
  becomes({ waiting: true });
  await clock.pass(1000);
  expect(last()).toMatchObject({ sta: "r", bs: true, bsd: 1000 });
  await clock.pass(2000);
  becomes({ waiting: false });
  await clock.pass(28_000);
  expect(last()).toMatchObject({ sta: "p", bsd: 2000 });
  expect(last()).not.toHaveProperty("bs");
});

test("a player that gives up tells it at once, and once", () => {
  becomes({ trouble: { kind: "network", message: "", detail: "" } });
  becomes({ waiting: false });
  expect(kinds()).toEqual(["presence", "beacon"]);
  expect(last()).toMatchObject({ sta: "f" });
});

test("who pauses is not counted, and is again when playing goes on", async () => {
  becomes({ paused: true });
  await clock.pass(60_000);
  expect(told).toHaveLength(1);
  becomes({ paused: false });
  expect(kinds()).toEqual(["presence", "presence", "beacon"]);
});
