/** The way to the server that works: the first of several over which an answer comes. */
import { type Timer, wallTimer } from "./timer";
import { type Connection, type Handlers, SocketTransport, type Transport } from "./transport";

/** Return a transport; one that is seldom needed is fetched for that. */
export type Way = () => Promise<Transport>;

/** The best first. What comes behind it costs a page nothing until it is needed. */
export const WAYS: readonly Way[] = [
  async () => new SocketTransport(),
  async () => new (await import("./fallback")).StreamTransport(),
  async () => new (await import("./fallback")).PollTransport(),
];

/** So long a way may take to open, and then to answer, before the next one is tried. */
const OPEN_MS = 1000;
const ANSWER_MS = 1500;
/** So long one that has worked before, and how often in a row it may fail before the others have their turn. */
const PATIENCE_MS = 8000;
const MISSES = 4;
/** Pauses before the best way is tried again while a lesser one carries; the last one repeats. */
const LOOK_MS = [10_000, 60_000, 300_000] as const;
/** Codes from here on are the server's own: whoever gets one has reached it. */
const SPOKEN = 4000;

/** What is known of the ways for as long as the page lives. */
interface Known {
  best: number;
  proven: boolean;
  misses: number;
  looks: number;
}

export class Choosing implements Transport {
  private readonly known: Known = { best: 0, proven: false, misses: 0, looks: 0 };

  constructor(
    private readonly ways = WAYS,
    private readonly timer: Timer = wallTimer,
  ) {}

  open(handlers: Handlers): Connection {
    return new Passage(this.ways, this.timer, this.known, handlers);
  }
}

/** One way, for as long as it is of use; nothing more is heard of it once it is closed. */
class Trial implements Connection {
  answered = false;
  private over = false;
  private connection: Connection | undefined;

  constructor(
    readonly way: number,
    load: Way,
    handlers: Handlers,
  ) {
    const closed: Handlers["closed"] = (code, delay) => {
      if (this.over) return;
      this.over = true;
      handlers.closed(code, delay);
    };
    load()
      .then((transport) => {
        if (this.over) return;
        this.connection = transport.open({
          opened: () => this.over || handlers.opened(),
          received: (text) => this.over || handlers.received(text),
          closed,
        });
      })
      .catch(() => closed(1006));
  }

  send(text: string): void {
    this.connection?.send(text);
  }

  close(): void {
    this.over = true;
    this.connection?.close();
  }
}

/** A client's connection, over one way after the other. */
class Passage implements Connection {
  private carrier: Trial;
  private better: Trial | undefined;
  private over = false;
  private forgetLimit: (() => void) | undefined;
  private forgetLook: (() => void) | undefined;

  constructor(
    private readonly ways: readonly Way[],
    private readonly timer: Timer,
    private readonly known: Known,
    private readonly handlers: Handlers,
  ) {
    this.carrier = this.begin(known.best);
    this.limit(OPEN_MS);
  }

  send(text: string): void {
    this.carrier.send(text);
  }

  close(): void {
    this.end(1000);
  }

  private begin(way: number): Trial {
    const trial: Trial = new Trial(way, this.ways[way] as Way, {
      opened: () => {
        if (trial === this.better) this.promote(trial);
        this.limit(ANSWER_MS);
        this.handlers.opened();
      },
      received: (text) => this.received(text),
      closed: (code, delay) => (trial === this.better ? this.look() : this.failed(code, delay)),
    });
    return trial;
  }

  /** Give the carrier a time; behind the last way there is nothing to be tried. */
  private limit(ms: number): void {
    this.forgetLimit?.();
    const { way } = this.carrier;
    const { best, proven } = this.known;
    if (way === this.ways.length - 1) return;
    this.forgetLimit = this.timer.after(proven && way === best ? PATIENCE_MS : ms, () => this.failed(1006));
  }

  private received(text: string): void {
    const { carrier, known } = this;
    if (!carrier.answered) {
      carrier.answered = true;
      this.forgetLimit?.();
      if (carrier.way === 0) known.looks = 0;
      else this.look();
      known.best = carrier.way;
      known.proven = true;
      known.misses = 0;
    }
    this.handlers.received(text);
  }

  private failed(code: number, delay?: number): void {
    const { known } = this;
    const { answered, way } = this.carrier;
    this.carrier.close();
    if (answered || code >= SPOKEN) return this.end(code, delay);
    if (known.proven && way === known.best) {
      known.misses += 1;
      if (known.misses === MISSES) [known.best, known.proven, known.misses] = [0, false, 0];
      return this.end(code, delay);
    }
    const next = known.proven ? known.best : way + 1;
    if (next === this.ways.length) return this.end(code, delay);
    this.carrier = this.begin(next);
    this.limit(OPEN_MS);
  }

  /** Try the best way again after a while, behind the back of the one that carries. */
  private look(): void {
    const { known } = this;
    this.better?.close();
    this.better = undefined;
    this.forgetLook?.();
    const pause = LOOK_MS[Math.min(known.looks, LOOK_MS.length - 1)] as number;
    known.looks += 1;
    this.forgetLook = this.timer.after(pause, () => {
      this.better = this.begin(0);
      this.forgetLook = this.timer.after(PATIENCE_MS, () => this.look());
    });
  }

  private promote(better: Trial): void {
    this.forgetLook?.();
    this.better = undefined;
    this.carrier.close();
    this.carrier = better;
  }

  private end(code: number, delay?: number): void {
    if (this.over) return;
    this.over = true;
    this.forgetLimit?.();
    this.forgetLook?.();
    this.carrier.close();
    this.better?.close();
    this.handlers.closed(code, delay);
  }
}
