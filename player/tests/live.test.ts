/** At the live edge: how late it is, who follows it, how it is kept, and what takes the place of what fails. */
import { expect, test } from "vitest";
import type { Engine, LiveWindow, Tier } from "../src/engine/engine";
import { beginning, closed, offered } from "../src/engine/playlist";
import { Airing, type AiringState, grounded, type Screen } from "../src/store/airing";
import { Chase, MANNERS } from "../src/store/chase";
import { ServerClock } from "../src/store/server-clock";

/** A player at second 100 of a stream whose second 0 was at 1,000,000 ms. */
class Desk {
  state: AiringState = grounded;
  live: LiveWindow | null = { start: 40, target: 100, epoch: 1_000_000 };
  now = 0;
  tiers: Tier[] = [];
  kept: Tier = "low";
  reloads: Tier[] = [];
  end = 101;
  screen = {
    buffered: { length: 1, start: () => 0, end: () => this.end },
    currentTime: 100,
    playbackRate: 1,
    paused: false,
    seeking: false,
    ended: false,
    readyState: 4,
  };
  airing: Airing;

  constructor(wanted: Tier | null = "low", name = "hls.js") {
    this.airing = new Airing(
      this.screen as Screen,
      { getState: () => this.state, set: (patch) => (this.state = { ...this.state, ...patch }) },
      { reload: (tier) => this.reload(tier) },
      { tier: () => wanted ?? undefined, keepTier: (tier) => (this.kept = tier) },
      { measure: async () => undefined, read: () => 1_101_500 },
      () => this.now,
    );
    this.open(name, this.airing.entry);
  }

  open(name: string, tier: Tier): void {
    const tiers: readonly Tier[] = name === "native" ? [] : ["normal", "low", "push"];
    const engine = { name, tiers, live: () => this.live, setTier: (each: Tier) => this.tiers.push(each) };
    this.airing.begin(engine as unknown as Engine, tier);
  }

  reload(tier: Tier): void {
    this.reloads.push(tier);
    this.open(tier === "push" ? "push" : "hls.js", tier);
  }

  at(time: number): this {
    this.screen.currentTime = time;
    this.airing.tick();
    return this;
  }
}

test("the delay is the server's clock less the date of the picture", () => {
  expect(new Desk().at(100).state.delay).toBe(1.5);
  const desk = new Desk();
  desk.live = { start: 40, target: 100, epoch: Number.NaN };
  expect(desk.at(100).state.delay).toBeNaN();
});

test("what is not live has no delay, and what has ended none any more", () => {
  const desk = new Desk().at(100);
  expect(desk.airing.was).toBe(true);
  desk.live = null;
  expect(desk.at(100).state).toMatchObject({ live: null, delay: Number.NaN });
  expect(desk.airing.was).toBe(true);
});

test("a pause leaves the edge, and playing on does not jump to it", () => {
  const desk = new Desk().at(100);
  desk.screen.paused = true;
  desk.airing.leave();
  desk.live = { start: 45, target: 108, epoch: 1_000_000 };
  desk.at(100);
  desk.screen.paused = false;
  desk.airing.return();
  desk.at(100);
  expect(desk.state.follows).toBe(false);
  expect(desk.screen).toMatchObject({ currentTime: 100, playbackRate: 1 });
});

test("what has left the window during a pause is passed over", () => {
  const desk = new Desk().at(100);
  desk.airing.leave();
  desk.live = { start: 200, target: 260, epoch: 1_000_000 };
  desk.at(100);
  desk.airing.return();
  expect(desk.screen.currentTime).toBe(201);
});

test("one jumps to the edge by asking for it, or gets there by seeking", () => {
  const desk = new Desk().at(100);
  expect(desk.airing.seek(20)).toBe(true);
  expect(desk.state.follows).toBe(false);
  expect(desk.screen.currentTime).toBe(40);
  desk.airing.toEdge();
  expect(desk.state.follows).toBe(true);
  expect(desk.screen.currentTime).toBe(100);
  desk.airing.seek(60);
  desk.at(60);
  desk.at(99.8);
  expect(desk.state.follows).toBe(true);
});

test("seconds of a video are not those of a window", () => {
  const desk = new Desk();
  desk.live = null;
  desk.at(5);
  expect(desk.airing.seek(20)).toBe(false);
});

test("who comes in late is put right at once, where what is wanted has come", () => {
  const desk = new Desk();
  desk.end = 99.9;
  desk.at(99.5);
  expect(desk.screen.currentTime).toBe(99.5);
  desk.end = 101;
  desk.at(99.5);
  expect(desk.screen.currentTime).toBe(100);
  desk.now += 5000;
  desk.at(99.5);
  expect(desk.screen.currentTime).toBe(99.5);
});

test("coming in lasts until the picture moves, however long that takes", () => {
  const desk = new Desk();
  desk.screen.readyState = 1;
  desk.at(98);
  desk.now += 9000;
  desk.airing.stalled();
  desk.at(98);
  expect(desk.screen.currentTime).toBe(98);
  desk.screen.readyState = 4;
  desk.at(99.4);
  expect([desk.screen.currentTime, desk.state.live?.target]).toEqual([100, 100]);
});

test("a stall moves the edge of this viewer back, and at it one is at the edge", () => {
  const desk = new Desk().at(100);
  desk.now += 5000;
  desk.airing.stalled();
  desk.airing.stalled();
  desk.airing.stalled();
  desk.at(99.25);
  expect([desk.state.live?.target, desk.screen.playbackRate]).toEqual([99.25, 1]);
  desk.airing.leave();
  desk.at(99.25);
  expect(desk.state.follows).toBe(true);
  desk.airing.toEdge();
  expect(desk.screen.currentTime).toBe(99.25);
});

test("a little late is made up for by speed, much by a jump, and neither counts as the viewer's speed", () => {
  const desk = new Desk().at(100);
  desk.now += 5000;
  desk.at(99.6);
  expect(desk.screen.playbackRate).toBe(1.05);
  expect(desk.airing.rate).toBe(1);
  desk.at(99.99);
  expect(desk.screen.playbackRate).toBe(1);
  desk.at(90);
  expect(desk.screen.currentTime).toBe(100);
});

test("who plays at another speed is left alone", () => {
  const desk = new Desk().at(99.9);
  desk.airing.leave();
  desk.screen.playbackRate = 1.5;
  desk.at(80);
  expect(desk.screen).toMatchObject({ playbackRate: 1.5, currentTime: 80 });
});

test("the end of a broadcast takes the speed back", () => {
  const desk = new Desk().at(99.8);
  expect(desk.screen.playbackRate).toBe(1.05);
  desk.live = null;
  desk.at(99.7);
  expect(desk.screen.playbackRate).toBe(1);
});

test("tiers over playlists change without a break, pushing takes another engine", () => {
  const desk = new Desk().at(100);
  desk.airing.choose("normal");
  expect([desk.tiers, desk.reloads, desk.state.tier, desk.kept]).toEqual([["normal"], [], "normal", "normal"]);
  desk.airing.choose("push");
  expect([desk.reloads, desk.state.tier, desk.kept]).toEqual([["push"], "push", "push"]);
});

test.each([
  [0.3, "push"],
  [1.5, "low"],
  [8, "normal"],
] as const)("of a delay of %f s that is wished for the nearest tier comes, and is not kept", (seconds, tier) => {
  const desk = new Desk(null).at(100);
  const { kept } = desk;
  desk.airing.aim(seconds);
  expect([desk.state.tier, desk.kept]).toEqual([tier, kept]);
});

test("a delay that is wished for before the broadcast begins is that of its first picture", () => {
  const desk = new Desk(null, "none");
  desk.airing.rest();
  desk.airing.aim(8);
  expect(desk.airing.entry).toBe("normal");
});

test("a wish changes nothing for who has chosen, is back in time, or could not be pushed to", () => {
  const chosen = new Desk("low").at(100);
  chosen.airing.aim(0.3);
  const back = new Desk(null).at(100);
  back.airing.seek(70);
  back.airing.aim(0.3);
  const fallen = new Desk(null).at(100);
  fallen.airing.fall("the line did not carry it");
  fallen.airing.aim(0.3);
  const later = new Desk(null).at(100);
  later.airing.choose("normal");
  later.airing.aim(0.3);
  expect([chosen, back, fallen, later].map((desk) => [desk.state.tier, desk.reloads])).toEqual([
    ["low", []],
    ["low", []],
    ["low", []],
    ["normal", []],
  ]);
});

test("pushing is what was wanted last time: it begins once the stream is known to be live", () => {
  const desk = new Desk("push");
  expect(desk.state.tier).toBe("low");
  desk.at(100);
  expect([desk.reloads, desk.state.tier]).toEqual([["push"], "push"]);
});

test("what cannot be pushed is watched over playlists, and asked for again only where the viewer does", () => {
  const desk = new Desk("push").at(100);
  desk.airing.fall("the line did not carry it");
  expect(desk.state).toMatchObject({ tier: "low", fallen: "the line did not carry it" });
  desk.at(100);
  expect(desk.reloads).toEqual(["push", "low"]);
  desk.airing.choose("push");
  expect(desk.state).toMatchObject({ tier: "push", fallen: "" });
});

test("frames that stay away for three seconds are not waited for", () => {
  const desk = new Desk("push").at(100);
  desk.screen.readyState = 2;
  desk.at(100);
  desk.now += 2900;
  expect(desk.at(100).state.tier).toBe("push");
  desk.now += 200;
  expect(desk.at(100).state).toMatchObject({ tier: "low", fallen: "nothing came any more" });
});

test("a line that stalls again and again carries no pushed frames", () => {
  const desk = new Desk("push").at(100).at(100);
  for (let each = 0; each < 11; each += 1) desk.airing.stalled();
  expect(desk.state.tier).toBe("low");
});

test("who was back in time goes on there over another engine", () => {
  const desk = new Desk("push").at(100).at(100);
  desk.airing.seek(70);
  desk.airing.choose("low");
  desk.live = { start: 0, target: 20, epoch: 1_060_000 };
  desk.at(20);
  expect(desk.screen.currentTime).toBe(10);
  expect(desk.state.follows).toBe(false);
});

test("who asks for less delay means the edge", () => {
  const desk = new Desk().at(100);
  desk.airing.seek(70);
  desk.airing.choose("push");
  desk.live = { start: 3, target: 33, epoch: 1_067_000 };
  desk.at(31);
  expect([desk.state.follows, desk.screen.currentTime]).toEqual([true, 33]);
});

test("Apple's player is steered by nobody", () => {
  const desk = new Desk("low", "native").at(90);
  expect(desk.screen).toMatchObject({ currentTime: 90, playbackRate: 1 });
  desk.airing.choose("push");
  expect(desk.reloads).toEqual([]);
});

test("after a stall one stays back, and comes nearer when it has been calm", () => {
  const chase = new Chase(MANNERS.low);
  expect([chase.back, chase.step(0, 0)]).toEqual([0, { rate: 1, jump: 0 }]);
  chase.stalled(0);
  expect([chase.back, chase.step(-0.25, 1).rate]).toEqual([0.25, 0.97]);
  expect(chase.step(0, 2)).toEqual({ rate: 1, jump: 0 });
  chase.step(0, 20_001);
  expect([chase.back, chase.step(0.25, 20_002).rate]).toEqual([0, 1.05]);
});

test("a jump leads to where one means to be", () => {
  const desk = new Desk().at(100);
  desk.now += 5000;
  desk.airing.stalled();
  desk.at(98);
  expect(desk.screen.currentTime).toBe(99.75);
});

test("the server's clock is taken in the middle between question and answer", async () => {
  let now = 1000;
  const clock = new ServerClock(async () => ((now += 80), "1970-01-01T00:00:10.000Z"), () => now);
  expect(clock.read()).toBeNaN();
  await clock.measure();
  expect(clock.read()).toBe(10_040);
  await clock.measure();
  expect(now).toBe(1080);
});

test("a server that does not tell the time leaves the delay unknown", async () => {
  const clock = new ServerClock(async () => Promise.reject(new Error("HTTP 404")), () => 1);
  await clock.measure();
  expect(clock.read()).toBeNaN();
});

const MULTIVARIANT = `#EXTM3U
#EXT-X-MEDIA:URI="audio-0.m3u8",TYPE=AUDIO,GROUP-ID="stereo",NAME="Audio 1",CHANNELS="2"
#EXT-X-STREAM-INF:BANDWIDTH=3396500,RESOLUTION=1280x720,FRAME-RATE=25,CODECS="avc1.42c01f,mp4a.40.2",AUDIO="stereo"
720p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1810250,RESOLUTION=640x360,FRAME-RATE=25,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="stereo"
360p.m3u8
`;

test("a multivariant playlist tells what can be pushed", () => {
  const { sound, variants } = offered(MULTIVARIANT);
  expect(sound).toEqual({ name: "audio-0", codecs: "mp4a.40.2" });
  expect(variants.map(({ name, codecs, height }) => [name, codecs, height])).toEqual([
    ["360p", "avc1.42c01e", 360],
    ["720p", "avc1.42c01f", 720],
  ]);
  expect(offered("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.42c01e\"\nx.m3u8\n").sound).toBeNull();
});

const DATED = `#EXTM3U
#EXT-X-PROGRAM-DATE-TIME:2026-11-28T12:00:10.000Z
#EXTINF:1.920000,
l1/360p/5.m4s
`;

test("a media playlist tells when the life on air began", () => {
  expect(beginning(DATED)).toBe(Date.parse("2026-11-28T12:00:00.400Z"));
  const anew = `${DATED}#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-28T12:00:20.000Z\n#EXT-X-PART:DURATION=0.32,URI="l2/360p/0.0.m4s"\n`;
  expect(beginning(anew)).toBe(Date.parse("2026-11-28T12:00:20.000Z"));
  expect(beginning("#EXTM3U\n")).toBeNaN();
  expect([closed(DATED), closed(`${DATED}#EXT-X-ENDLIST\n`)]).toEqual([false, true]);
});
