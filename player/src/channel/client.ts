/** Follow channels of the server over one connection that heals itself and misses nothing. */
import { channelOf, type ControlEvent, type FromServer, isEvent, type Subscribe, type Subscribed } from "./messages";
import { type Timer, wallTimer } from "./timer";
import type { Connection, Transport } from "./transport";

export interface Listener {
  /** The log could not be continued: `state` is what holds now, undefined where the server sent none. */
  snapshot(state: unknown): void;
  event(event: ControlEvent): void;
  /** The channel is not to be had; `code` 4403 is not allowed, 4404 not there. */
  refused?(code: number): void;
}

export type Link = "connecting" | "open" | "waiting" | "refused";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const SESSION_OVER = 4403;

class Subscription {
  readonly listeners = new Set<Listener>();
  epoch: string | undefined;
  offset: number | undefined;
  known = false;
  /** An answer is on its way, and everything from this place on behind it. */
  asked = false;
  /** Where a gap was last found. */
  gap: number | undefined;
}

export class ControlClient {
  private readonly subscriptions = new Map<string, Subscription>();
  private connection: Connection | undefined;
  private ready = false;
  private link: Link = "waiting";
  private failures = 0;
  /** After how many milliseconds the server wants to be asked again, as it said itself. */
  private wanted = 0;
  private hurried = false;
  private forget: (() => void) | undefined;
  /** What the connection is opened by, beside the browser's session; "" for nothing. */
  private token = "";
  /** Called when that ends soon. */
  expiring: () => void = () => undefined;

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
    if (this.ready) this.ask(channel, subscription);
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

  /** Open what is signed, from now on by this token. */
  identify(token: string): void {
    this.token = token;
    this.authenticate();
  }

  private authenticate(): void {
    if (this.token) this.tell({ type: "auth", token: this.token });
  }

  close(): void {
    this.forget?.();
    this.forget = undefined;
    this.subscriptions.clear();
    this.connection?.close();
  }

  /** Send a message now, or not at all. */
  tell(message: object): void {
    if (this.ready) this.connection?.send(JSON.stringify(message));
  }

  private leave(channel: string, listener: Listener): void {
    const subscription = this.subscriptions.get(channel);
    subscription?.listeners.delete(listener);
    if (!subscription || subscription.listeners.size) return;
    this.subscriptions.delete(channel);
    this.tell({ type: "unsubscribe", channel });
  }

  private connect(): void {
    this.move("connecting");
    this.connection = this.transport.open({
      opened: () => this.opened(),
      received: (text) => this.received(JSON.parse(text) as FromServer),
      closed: (code, delay) => this.closed(code, delay),
    });
  }

  private opened(): void {
    this.ready = true;
    this.authenticate();
    for (const [channel, subscription] of this.subscriptions) this.ask(channel, subscription);
  }

  private ask(channel: string, subscription: Subscription): void {
    const { epoch, offset } = subscription;
    const resume = epoch === undefined || offset === undefined ? {} : { epoch, offset };
    const message: Subscribe = { type: "subscribe", channel, ...resume };
    subscription.asked = true;
    this.tell(message);
  }

  private received(message: FromServer): void {
    this.failures = 0;
    this.move("open");
    if (message.type === "server.drain") this.wanted = message.delay_ms;
    if (message.type === "token.expiring") this.expiring();
    const subscription = this.subscriptions.get(channelOf(message) ?? "");
    if (!subscription) return;
    if (isEvent(message)) this.deliver(subscription, message);
    else if (message.type === "subscribed") this.subscribed(subscription, message);
    else if (message.type === "refused") {
      for (const listener of [...subscription.listeners]) listener.refused?.(message.code);
    }
  }

  private subscribed(subscription: Subscription, answer: Subscribed): void {
    subscription.known = true;
    subscription.asked = false;
    // After a recovery the missed events still come, and our offset moves with them, not with the answer:
    // a connection lost in between must ask for the rest again.
    if (answer.recovered && answer.epoch === subscription.epoch) return;
    subscription.epoch = answer.epoch;
    subscription.offset = answer.offset;
    for (const listener of [...subscription.listeners]) listener.snapshot(answer.snapshot);
  }

  private deliver(subscription: Subscription, event: ControlEvent): void {
    if (event.offset !== undefined && !this.follows(subscription, event, event.offset)) return;
    for (const listener of [...subscription.listeners]) listener.event(event);
  }

  /** Say whether a numbered event is the next one, and go on to it; where others are missing, ask for them. */
  private follows(subscription: Subscription, { channel, epoch }: ControlEvent, offset: number): boolean {
    const last = subscription.offset;
    if (last === undefined) return false; // the snapshot on its way holds it
    const same = epoch === subscription.epoch;
    if (same && offset === last + 1) {
      subscription.offset = offset;
      subscription.asked = false;
      return true;
    }
    if (!subscription.asked && !(same && offset <= last)) {
      // What is missing even after it was asked for is not to be had.
      if (subscription.gap === last) subscription.offset = undefined;
      subscription.gap = last;
      this.ask(channel, subscription);
    }
    return false;
  }

  private closed(code: number, delay = this.wanted): void {
    this.connection = undefined;
    this.ready = false;
    this.wanted = 0;
    if (this.hurried) {
      this.hurried = false;
      this.move("waiting");
      this.wake();
      return;
    }
    // A session that ends takes its connection along; what is open to everybody goes on over another one.
    const ended = code === SESSION_OVER && this.link === "open";
    if (code >= 4400 && code <= 4499 && !ended) {
      this.move("refused");
      return;
    }
    if (this.link === "refused") return;
    this.move("waiting");
    if (!this.subscriptions.size) return;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.failures, LONGEST_PAUSE_MS);
    this.failures += 1;
    this.forget = this.timer.after(delay + pause * (0.5 + this.timer.spread() / 2), () => {
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
