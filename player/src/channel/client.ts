/** Follow channels of the server over one connection that heals itself and misses nothing. */
import { type ControlEvent, type FromServer, isEvent, type Subscribe, type Subscribed } from "./messages";
import type { Connection, Transport } from "./transport";

export interface Listener {
  /** The log could not be continued: `state` is what holds now, undefined where the server sent none. */
  snapshot(state: unknown): void;
  event(event: ControlEvent): void;
  /** The channel is not to be had; `code` 4403 is not allowed, 4404 not there. */
  refused?(code: number): void;
}

export type Link = "connecting" | "open" | "waiting" | "refused";

export interface Timer {
  /** Call back after `ms`; the returned function forgets it. */
  after(ms: number, call: () => void): () => void;
  /** Return a number in [0, 1) that spreads clients which come back together. */
  spread(): number;
}

export const wallTimer: Timer = {
  after(ms, call) {
    const id = setTimeout(call, ms);
    return () => clearTimeout(id);
  },
  spread: Math.random,
};

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

class Subscription {
  readonly listeners = new Set<Listener>();
  epoch: string | undefined;
  offset: number | undefined;
  known = false;
}

export class ControlClient {
  private readonly subscriptions = new Map<string, Subscription>();
  private connection: Connection | undefined;
  private link: Link = "waiting";
  private failures = 0;
  private hurried = false;
  private forget: (() => void) | undefined;

  constructor(
    private readonly transport: Transport,
    private readonly timer: Timer = wallTimer,
    private readonly changed: (link: Link) => void = () => undefined,
  ) {}

  /** Follow a channel until the returned function is called. The first answer is a snapshot. */
  follow(channel: string, listener: Listener): () => void {
    let subscription = this.subscriptions.get(channel);
    if (!subscription) {
      subscription = new Subscription();
      this.subscriptions.set(channel, subscription);
    } else if (subscription.known) {
      // A second follower of a known channel needs a snapshot of its own: ask again from nothing.
      subscription.epoch = undefined;
      subscription.offset = undefined;
    }
    subscription.listeners.add(listener);
    if (this.link === "open") this.ask(channel, subscription);
    else if (this.link === "waiting" && !this.forget) this.connect();
    return () => this.leave(channel, listener);
  }

  /** Connect at once, as when the network is back. */
  wake(): void {
    this.forget?.();
    this.forget = undefined;
    this.failures = 0;
    if (this.link === "waiting" || this.link === "refused") this.connect();
  }

  /** Connect anew, as somebody else: the server knows a connection by the cookie it was opened with. */
  renew(): void {
    if (!this.connection) {
      this.wake();
      return;
    }
    this.hurried = true;
    this.connection.close();
  }

  close(): void {
    this.forget?.();
    this.forget = undefined;
    this.subscriptions.clear();
    this.connection?.close();
  }

  private leave(channel: string, listener: Listener): void {
    const subscription = this.subscriptions.get(channel);
    subscription?.listeners.delete(listener);
    if (!subscription || subscription.listeners.size) return;
    this.subscriptions.delete(channel);
    if (this.link === "open") this.connection?.send(JSON.stringify({ type: "unsubscribe", channel }));
  }

  private connect(): void {
    this.move("connecting");
    this.connection = this.transport.open({
      opened: () => this.opened(),
      received: (text) => this.received(JSON.parse(text) as FromServer),
      closed: (code) => this.closed(code),
    });
  }

  private opened(): void {
    this.move("open");
    for (const [channel, subscription] of this.subscriptions) this.ask(channel, subscription);
  }

  private ask(channel: string, { epoch, offset }: Subscription): void {
    const resume = epoch === undefined || offset === undefined ? {} : { epoch, offset };
    const message: Subscribe = { type: "subscribe", channel, ...resume };
    this.connection?.send(JSON.stringify(message));
  }

  private received(message: FromServer): void {
    this.failures = 0;
    const subscription = this.subscriptions.get(message.channel ?? "");
    if (!subscription) return;
    if (isEvent(message)) this.deliver(subscription, message);
    else if (message.type === "subscribed") this.subscribed(subscription, message);
    else if (message.type === "refused") {
      for (const listener of [...subscription.listeners]) listener.refused?.(message.code);
    }
  }

  private subscribed(subscription: Subscription, answer: Subscribed): void {
    subscription.known = true;
    // After a recovery the missed events still come, and our offset moves with them, not with the answer:
    // a connection lost in between must ask for the rest again.
    if (answer.recovered && answer.epoch === subscription.epoch) return;
    subscription.epoch = answer.epoch;
    subscription.offset = answer.offset;
    for (const listener of [...subscription.listeners]) listener.snapshot(answer.snapshot);
  }

  private deliver(subscription: Subscription, event: ControlEvent): void {
    if (event.offset !== undefined) {
      if (event.epoch === subscription.epoch && event.offset <= (subscription.offset ?? -1)) return;
      subscription.epoch = event.epoch;
      subscription.offset = event.offset;
    }
    for (const listener of [...subscription.listeners]) listener.event(event);
  }

  private closed(code: number): void {
    this.connection = undefined;
    if (this.hurried) {
      this.hurried = false;
      this.move("waiting");
      this.wake();
      return;
    }
    if (code >= 4400 && code <= 4499) {
      this.move("refused");
      return;
    }
    if (this.link === "refused") return;
    this.move("waiting");
    if (!this.subscriptions.size) return;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.failures, LONGEST_PAUSE_MS);
    this.failures += 1;
    this.forget = this.timer.after(pause * (0.5 + this.timer.spread() / 2), () => {
      this.forget = undefined;
      this.connect();
    });
  }

  private move(link: Link): void {
    if (this.link === link) return;
    this.link = link;
    this.changed(link);
  }
}
