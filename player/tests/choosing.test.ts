/** Which way to the server is taken, over scripted ways and a stepped timer. */
import { beforeEach, expect, test } from "vitest";
import { Choosing } from "../src/channel/choosing";
import { Pulse } from "../src/channel/pulse";
import type { Connection, Handlers } from "../src/channel/transport";
import { settled, Stepped } from "./stepped";

interface Opened {
  way: number;
  handlers: Handlers;
  sent: string[];
  closed: boolean;
}

class Ways {
  readonly timer = new Stepped();
  readonly opened: Opened[] = [];
  readonly heard: string[] = [];
  readonly choosing: Choosing;
  connection!: Connection;
  private readonly missing = new Set<number>();

  constructor() {
    const way = (at: number) => async () => {
      if (this.missing.has(at)) throw new Error("not to be fetched");
      return { open: (handlers: Handlers) => this.begun(at, handlers) };
    };
    this.choosing = new Choosing([way(0), way(1), way(2)], this.timer);
  }

  /** Let a way's chunk be one that cannot be fetched. */
  lose(way: number): void {
    this.missing.add(way);
  }

  async open(): Promise<void> {
    this.connection = new Pulse(this.choosing, this.timer).open({
      opened: () => this.heard.push("opened"),
      received: (text) => this.heard.push(text),
      closed: (code, delay) => this.heard.push(`closed ${code}${delay ? ` ${delay}` : ""}`),
    });
    await settled();
  }

  get tried(): number[] {
    return this.opened.map(({ way }) => way);
  }

  get last(): Opened {
    return this.opened.at(-1) as Opened;
  }

  /** Let the way that was opened last open and answer. */
  works(answer = "answer"): void {
    this.last.handlers.opened();
    this.last.handlers.received(answer);
  }

  async fails(code = 1006, delay?: number): Promise<void> {
    this.last.handlers.closed(code, delay);
    await settled();
  }

  private begun(way: number, handlers: Handlers): Connection {
    const opened: Opened = { way, handlers, sent: [], closed: false };
    this.opened.push(opened);
    return { send: (text) => opened.sent.push(text), close: () => void (opened.closed = true) };
  }
}

let ways: Ways;
beforeEach(async () => {
  ways = new Ways();
  await ways.open();
});

test("a WebSocket that answers is all that is ever tried", async () => {
  ways.works();
  await ways.timer.pass(20_000);
  expect(ways.tried).toEqual([0]);
  expect(ways.heard).toEqual(["opened", "answer"]);
});

test("one that is refused is followed by an event stream at once", async () => {
  await ways.fails();
  expect(ways.tried).toEqual([0, 1]);
  expect(ways.timer.now).toBe(0);
});

test("one that never opens is given up after a second, an event stream without an answer soon after", async () => {
  await ways.timer.pass(1000);
  expect(ways.tried).toEqual([0, 1]);
  expect(ways.opened[0]?.closed).toBe(true);
  ways.last.handlers.opened();
  await ways.timer.pass(1500);
  expect(ways.tried).toEqual([0, 1, 2]);
  expect(ways.timer.now).toBeLessThan(3000);
});

test("one that opens and swallows what is sent is given up too", async () => {
  ways.last.handlers.opened();
  await ways.timer.pass(1500);
  expect(ways.tried).toEqual([0, 1]);
});

test("a way whose code cannot be fetched is passed over", async () => {
  ways.lose(1);
  await ways.fails();
  expect(ways.tried).toEqual([0, 2]);
});

test("where nothing gets through the connection is closed, and the next one starts at the best way", async () => {
  for (let way = 0; way < 3; way += 1) await ways.fails();
  expect(ways.heard).toEqual(["closed 1006"]);
  await ways.open();
  expect(ways.tried).toEqual([0, 1, 2, 0]);
});

test("a code of the server's own is no reason to try anything else", async () => {
  await ways.fails(4001, 700);
  expect(ways.tried).toEqual([0]);
  expect(ways.heard).toEqual(["closed 4001 700"]);
});

test("what a way says after it was given up is not heard", async () => {
  const [first] = ways.opened;
  await ways.timer.pass(1000);
  first?.handlers.opened();
  first?.handlers.received("late");
  first?.handlers.closed(1006);
  expect(ways.heard).toEqual([]);
});

test("the way that worked is the first to be tried again", async () => {
  await ways.fails();
  ways.works();
  await ways.fails();
  await ways.open();
  expect(ways.tried).toEqual([0, 1, 1]);
});

test("a WebSocket that has worked is trusted for some failures, then the others have their turn", async () => {
  ways.works();
  await ways.fails();
  for (let failure = 0; failure < 4; failure += 1) {
    await ways.open();
    await ways.fails();
  }
  expect(ways.tried).toEqual([0, 0, 0, 0, 0]);
  await ways.open();
  await ways.fails();
  expect(ways.tried.at(-1)).toBe(1);
});

test("behind the back of a lesser way the WebSocket is tried again, and takes over when it opens", async () => {
  await ways.fails();
  ways.works();
  const stream = ways.last;
  await ways.timer.pass(10_000);
  expect(ways.tried).toEqual([0, 1, 0]);
  stream.handlers.received("still here");
  expect(ways.heard).toEqual(["opened", "answer", "still here"]);
  ways.works("over the socket");
  expect(stream.closed).toBe(true);
  stream.handlers.received("twice");
  expect(ways.heard.slice(3)).toEqual(["opened", "over the socket"]);
});

test("a WebSocket that fails behind its back costs a lesser way nothing", async () => {
  await ways.fails();
  ways.works();
  await ways.timer.pass(10_000);
  await ways.fails();
  for (let sign = 0; sign < 3; sign += 1) {
    expect(ways.tried).toEqual([0, 1, 0]);
    ways.opened[1]?.handlers.received("alive");
    await ways.timer.pass(20_000);
  }
  expect(ways.tried).toEqual([0, 1, 0, 0]);
  expect(ways.heard).toEqual(["opened", "answer", "alive", "alive", "alive"]);
});

test("one that takes over and does not answer gives way to the one that did", async () => {
  await ways.fails();
  ways.works();
  await ways.timer.pass(10_000);
  ways.last.handlers.opened();
  await ways.timer.pass(1500);
  expect(ways.tried).toEqual([0, 1, 0, 1]);
});

test("closing closes whatever is open, and is told once", async () => {
  await ways.fails();
  ways.works();
  await ways.timer.pass(10_000);
  ways.connection.close();
  expect(ways.opened.slice(1).map(({ closed }) => closed)).toEqual([true, true]);
  await ways.timer.pass(600_000);
  expect(ways.heard).toEqual(["opened", "answer", "closed 1000"]);
});

test("a connection that stays silent when it is asked for a sign of life is closed", async () => {
  ways.works();
  await ways.timer.pass(25_000);
  expect(ways.last.sent).toEqual(['{"type":"ping"}']);
  await ways.timer.pass(9999);
  expect(ways.heard.at(-1)).toBe("answer");
  await ways.timer.pass(1);
  expect(ways.heard.at(-1)).toBe("closed 1000");
});

test("one that answers stays", async () => {
  ways.works();
  await ways.timer.pass(25_000);
  ways.last.handlers.received('{"type":"pong"}');
  await ways.timer.pass(24_999);
  expect(ways.last.sent).toHaveLength(1);
  expect(ways.last.closed).toBe(false);
});
