/** Whatever happens to connections, and however transports change, every event is told once and in order. */
import { expect, test } from "vitest";
import { Choosing, type Way } from "../src/channel/choosing";
import { ControlClient } from "../src/channel/client";
import type { Subscribe } from "../src/channel/messages";
import { Pulse } from "../src/channel/pulse";
import type { Connection, Handlers } from "../src/channel/transport";
import { seeded, settled, Stepped } from "./stepped";

const CHANNELS = ["assets", "asset:a", "stream:s"];
const KEPT = 40;
const STEPS = 400;
const WORLDS = 60;

type Log = { epoch: string; last: number };

/** A server's logs, and what is on its way to the clients. */
class World {
  readonly timer: Stepped;
  readonly logs = new Map<string, Log>(CHANNELS.map((name) => [name, { epoch: "e0", last: 0 }]));
  readonly links = new Set<Link>();
  readonly ways: Way[];
  blocked = new Set<number>();
  private logsLost = 0;

  constructor(private readonly chance: () => number) {
    this.timer = new Stepped(chance);
    this.ways = [0, 1, 2].map((way) => async () => ({ open: (handlers: Handlers) => new Link(this, way, handlers) }));
  }

  some<T>(of: Iterable<T>): T | undefined {
    const all = [...of];
    return all[Math.floor(this.chance() * all.length)];
  }

  publish([channel, log]: [string, Log] = this.some(this.logs) as [string, Log]): void {
    log.last += 1;
    for (const link of this.links) link.numbered(channel, log.last);
  }

  loseLog(): void {
    this.logsLost += 1;
    const [channel] = this.some(this.logs) as [string, Log];
    this.logs.set(channel, { epoch: `e${this.logsLost}`, last: Math.floor(this.chance() * 5) });
    for (const link of this.links) link.end(4000);
  }
}

class Link implements Connection {
  private readonly pending: object[] = [];
  private readonly channels = new Set<string>();
  private over = false;

  constructor(
    private readonly world: World,
    private readonly way: number,
    private readonly handlers: Handlers,
  ) {
    world.links.add(this);
    queueMicrotask(() => {
      if (this.over || this.silent) return;
      handlers.opened();
    });
  }

  get silent(): boolean {
    return this.world.blocked.has(this.way);
  }

  send(text: string): void {
    const asked = JSON.parse(text) as Subscribe | { type: "unsubscribe" | "ping"; channel: string };
    if (asked.type === "ping") this.pending.push({ type: "pong" });
    if (asked.type === "unsubscribe") this.channels.delete(asked.channel);
    if (asked.type !== "subscribe") return;
    const { channel, epoch, offset } = asked as Subscribe;
    const log = this.world.logs.get(channel) as Log;
    const recovered = epoch === log.epoch && offset !== undefined && offset >= log.last - KEPT && offset <= log.last;
    const snapshot = recovered ? {} : { snapshot: log.last };
    this.channels.add(channel);
    this.pending.push({ type: "subscribed", channel, epoch: log.epoch, offset: log.last, recovered, ...snapshot });
    for (let at = recovered ? offset + 1 : log.last + 1; at <= log.last; at += 1) this.numbered(channel, at);
  }

  close(): void {
    this.end(1000);
  }

  numbered(channel: string, offset: number): void {
    if (!this.channels.has(channel)) return;
    const { epoch } = this.world.logs.get(channel) as Log;
    this.pending.push({ channel, epoch, offset, type: "t", time: "", data: {} });
  }

  /** Bring some of what is on its way, and at times lose or double what must not be. */
  deliver(count: number, harm: number): void {
    for (let sent = 0; sent < count && this.pending.length && !this.over && !this.silent; sent += 1) {
      const message = this.pending.shift() as { offset?: number; type: string };
      if (message.type === "t" && harm < 0.02) continue;
      this.handlers.received(JSON.stringify(message));
      if (message.type === "t" && harm > 0.98) this.handlers.received(JSON.stringify(message));
    }
  }

  end(code: number, delay?: number): void {
    if (this.over) return;
    this.over = true;
    this.world.links.delete(this);
    this.handlers.closed(code, delay);
  }
}

/** What a follower has been told of a channel; that it is whole is checked at each step. */
class Follower {
  private at = -1;
  events = 0;

  constructor(
    private readonly world: World,
    private readonly channel: string,
  ) {}

  snapshot(state: unknown): void {
    this.at = state as number;
  }

  event({ offset }: { offset?: number }): void {
    expect(offset, this.channel).toBe(this.at + 1);
    this.at += 1;
    this.events += 1;
  }

  upToDate(): void {
    expect(this.at, this.channel).toBe(this.world.logs.get(this.channel)?.last);
  }
}

async function step(world: World, chance: () => number): Promise<void> {
  const dice = chance();
  if (dice < 0.45) world.publish();
  else if (dice < 0.75) world.some(world.links)?.deliver(1 + Math.floor(chance() * 6), chance());
  else if (dice < 0.85) world.some(world.links)?.end(world.some([1006, 1001, 4000, 4001]) as number, chance() < 0.5 ? 300 : undefined);
  else if (dice < 0.87) world.loseLog();
  else if (dice < 0.91) world.blocked = new Set([0, 1, 2].filter(() => chance() < 0.4));
  else await world.timer.pass(chance() * 4000);
  await settled();
}

test.each(Array.from({ length: WORLDS }, (_, seed) => seed))("world %i", async (seed) => {
  const chance = seeded(seed);
  const world = new World(chance);
  const client = new ControlClient(new Pulse(new Choosing(world.ways, world.timer), world.timer), world.timer);
  const followers = CHANNELS.map((channel) => {
    const follower = new Follower(world, channel);
    client.follow(channel, follower);
    return follower;
  });
  for (let done = 0; done < STEPS; done += 1) await step(world, chance);
  world.blocked = new Set();
  for (const log of world.logs) world.publish(log); // a loss shows in what comes next
  for (let round = 0; round < 100; round += 1) {
    for (const link of [...world.links]) link.deliver(1000, 0.5);
    await world.timer.pass(500);
  }
  for (const follower of followers) follower.upToDate();
  expect(followers.reduce((sum, { events }) => sum + events, 0)).toBeGreaterThan(0);
});
