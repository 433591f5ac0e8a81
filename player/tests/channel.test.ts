/** The control channel's client over a scripted transport and a stepped timer. */
import { beforeEach, expect, test } from "vitest";
import { ControlClient, type Link } from "../src/channel/client";
import type { ControlEvent } from "../src/channel/messages";
import type { Handlers } from "../src/channel/transport";

class Script {
  readonly sockets: { handlers: Handlers; sent: Record<string, unknown>[] }[] = [];
  readonly pauses: { ms: number; call: () => void; off: boolean }[] = [];
  readonly links: Link[] = [];
  readonly seen: (["snapshot", unknown] | ["event", number | undefined] | ["refused", number])[] = [];
  readonly client = new ControlClient(
    {
      open: (handlers) => {
        const sent: Record<string, unknown>[] = [];
        this.sockets.push({ handlers, sent });
        return { send: (text) => sent.push(JSON.parse(text) as Record<string, unknown>), close: () => handlers.closed(1000) };
      },
    },
    {
      after: (ms, call) => {
        const pause = { ms, call, off: false };
        this.pauses.push(pause);
        return () => (pause.off = true);
      },
      spread: () => 1,
    },
    (link) => this.links.push(link),
  );

  get socket() {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last;
  }

  follow(channel = "assets"): () => void {
    return this.client.follow(channel, {
      snapshot: (state) => this.seen.push(["snapshot", state]),
      event: (event: ControlEvent) => this.seen.push(["event", event.offset]),
      refused: (code) => this.seen.push(["refused", code]),
    });
  }

  say(message: object): void {
    this.socket.handlers.received(JSON.stringify(message));
  }

  event(offset: number | undefined, epoch = "e1"): void {
    this.say({ channel: "assets", epoch, offset, type: "asset.changed", time: "", data: {} });
  }

  subscribed(offset: number, recovered: boolean, epoch = "e1"): void {
    const snapshot = recovered ? {} : { snapshot: `at ${offset}` };
    this.say({ type: "subscribed", channel: "assets", epoch, offset, recovered, ...snapshot });
  }
}

let script: Script;
beforeEach(() => {
  script = new Script();
  script.follow();
  script.socket.handlers.opened();
});

test("a first subscription asks from nothing and starts with a snapshot", () => {
  expect(script.socket.sent).toEqual([{ type: "subscribe", channel: "assets" }]);
  script.subscribed(7, false);
  script.event(8);
  expect(script.seen).toEqual([["snapshot", "at 7"], ["event", 8]]);
});

test("a lost connection resumes behind the last event that was seen", () => {
  script.subscribed(7, false);
  script.event(8);
  script.socket.handlers.closed(1006);
  script.pauses[0]?.call();
  script.socket.handlers.opened();
  expect(script.socket.sent).toEqual([{ type: "subscribe", channel: "assets", epoch: "e1", offset: 8 }]);
});

test("a connection lost during the replay asks for the rest again", () => {
  script.subscribed(7, false);
  script.socket.handlers.closed(1006);
  script.pauses[0]?.call();
  script.socket.handlers.opened();
  script.subscribed(20, true);
  script.event(8);
  script.socket.handlers.closed(1006);
  script.pauses[1]?.call();
  script.socket.handlers.opened();
  expect(script.socket.sent[0]).toMatchObject({ epoch: "e1", offset: 8 });
});

test("an event that comes twice is told once, and one without offset always", () => {
  script.subscribed(7, false);
  script.event(8);
  script.event(8);
  script.event(undefined);
  script.event(undefined);
  expect(script.seen.slice(1)).toEqual([["event", 8], ["event", undefined], ["event", undefined]]);
});

test("a lost log gives a snapshot and a new epoch to resume from", () => {
  script.subscribed(7, false);
  script.socket.handlers.closed(1001);
  script.pauses[0]?.call();
  script.socket.handlers.opened();
  script.subscribed(2, false, "e2");
  script.event(3, "e2");
  expect(script.seen).toEqual([["snapshot", "at 7"], ["snapshot", "at 2"], ["event", 3]]);
});

test("pauses between attempts double up to a limit and start anew after a message", () => {
  for (let attempt = 0; attempt < 7; attempt += 1) {
    script.socket.handlers.closed(1006);
    script.pauses.at(-1)?.call();
  }
  expect(script.pauses.map(({ ms }) => ms)).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000]);
  script.socket.handlers.opened();
  script.subscribed(1, false);
  script.socket.handlers.closed(1006);
  expect(script.pauses.at(-1)?.ms).toBe(500);
});

test.each([4400, 4403, 4499])("close code %i means go away, until woken", (code) => {
  script.socket.handlers.closed(code);
  expect(script.pauses).toHaveLength(0);
  expect(script.links.at(-1)).toBe("refused");
  script.client.wake();
  expect(script.sockets).toHaveLength(2);
});

test.each([1006, 4000, 4001, 4500])("close code %i means come back", (code) => {
  script.socket.handlers.closed(code);
  expect(script.pauses).toHaveLength(1);
});

test("when a session ends, whatever is still to be had goes on without it", () => {
  script.subscribed(7, false);
  script.socket.handlers.closed(4403);
  script.pauses[0]?.call();
  script.socket.handlers.opened();
  expect(script.socket.sent).toEqual([{ type: "subscribe", channel: "assets", epoch: "e1", offset: 7 }]);
  script.socket.handlers.closed(4403);
  expect(script.links.at(-1)).toBe("refused");
});

test("a refused channel is told to its followers", () => {
  script.say({ type: "refused", channel: "assets", code: 4404, reason: "" });
  expect(script.seen).toEqual([["refused", 4404]]);
});

test("renewing opens another connection at once and asks for every channel again", () => {
  script.say({ type: "refused", channel: "assets", code: 4403, reason: "" });
  script.client.renew();
  expect(script.sockets).toHaveLength(2);
  expect(script.pauses).toHaveLength(0);
  script.socket.handlers.opened();
  expect(script.socket.sent).toEqual([{ type: "subscribe", channel: "assets" }]);
});

test("the last follower that leaves ends the subscription", () => {
  const leave = script.follow("asset:a");
  leave();
  expect(script.socket.sent.at(-1)).toEqual({ type: "unsubscribe", channel: "asset:a" });
});

test("where an event is missing it is asked for, and what came after it is told in its turn", () => {
  script.subscribed(7, false);
  script.event(9);
  script.event(10);
  expect(script.socket.sent.slice(1)).toEqual([{ type: "subscribe", channel: "assets", epoch: "e1", offset: 7 }]);
  script.subscribed(10, true);
  for (const offset of [8, 9, 10]) script.event(offset);
  expect(script.seen.slice(1)).toEqual([["event", 8], ["event", 9], ["event", 10]]);
});

test("what is missing even then gives way to a snapshot", () => {
  script.subscribed(7, false);
  script.event(9);
  script.subscribed(9, true);
  script.event(9);
  expect(script.socket.sent.at(-1)).toEqual({ type: "subscribe", channel: "assets" });
  script.subscribed(9, false);
  expect(script.seen).toEqual([["snapshot", "at 7"], ["snapshot", "at 9"]]);
});

test("an event of another log is asked about", () => {
  script.subscribed(7, false);
  script.event(8, "e2");
  expect(script.socket.sent.at(-1)).toEqual({ type: "subscribe", channel: "assets", epoch: "e1", offset: 7 });
});

test.each([
  ["with its close", (): void => script.socket.handlers.closed(4001, 3000)],
  [
    "before it",
    (): void => {
      script.say({ type: "server.drain", delay_ms: 3000 });
      script.socket.handlers.closed(4001);
    },
  ],
])("the server's own delay, told %s, comes before ours", (_, close) => {
  script.subscribed(7, false);
  close();
  expect(script.pauses.map(({ ms }) => ms)).toEqual([3500]);
});

test("a playback token goes before what it opens, over every connection", () => {
  const script = new Script();
  script.client.identify("to.ke.n");
  script.follow("asset:a");
  script.socket.handlers.opened();
  const auth = { type: "auth", token: "to.ke.n" };
  expect(script.socket.sent).toEqual([auth, { type: "subscribe", channel: "asset:a" }]);
  script.client.identify("the.ne.xt");
  expect(script.socket.sent.at(-1)).toEqual({ type: "auth", token: "the.ne.xt" });
});

test("it is told when that token ends soon", () => {
  const script = new Script();
  let told = 0;
  script.client.expiring = () => (told += 1);
  script.follow();
  script.socket.handlers.opened();
  script.say({ type: "token.expiring", seconds: 60 });
  expect(told).toBe(1);
});
