/** What an event stream and polling share: messages to the server become requests. */
import type { FromServer, Subscribe } from "./messages";
import { Places } from "./places";
import type { Connection, Handlers } from "./transport";

/** How requests are made. `token` goes with each of them where there is one. */
export interface Requests {
  fetch: typeof fetch;
  token(): string | undefined;
}

export const sessionRequests: Requests = {
  fetch: (...asked) => fetch(...asked),
  token: () => undefined, // the browser's session is enough
};

const GONE = 1006;
/** The server's own words for what HTTP has a status for. */
const CODES: Readonly<Record<number, number>> = { 401: 4403, 403: 4403, 429: 4003 };

type Sent = Subscribe | { type: "auth"; token: string } | { type: "unsubscribe"; channel: string } | { type: "ping" | "presence" | "beacon" };

/** A connection of requests: `follow` has to read one until it ends, and is begun anew when the channels change. */
export abstract class Asking implements Connection {
  protected readonly places = new Places();
  private readonly client = crypto.getRandomValues(new Uint32Array(4)).join("-");
  private round: AbortController | undefined;
  private changed = false;
  private over = false;
  private said: string | undefined;

  constructor(
    private readonly path: string,
    private readonly handlers: Handlers,
    private readonly requests: Requests,
  ) {
    queueMicrotask(() => this.over || handlers.opened());
  }

  /** Read answers until the signal; return when there is nothing more to read, throw where that fails. */
  protected abstract follow(signal: AbortSignal): Promise<void>;

  send(text: string): void {
    const message = JSON.parse(text) as Sent;
    if (message.type === "subscribe") this.places.ask(message);
    else if (message.type === "auth") this.said = message.token;
    else if (message.type === "unsubscribe") this.places.drop(message.channel);
    else return this.post(message);
    if (this.changed) return;
    this.changed = true;
    queueMicrotask(() => this.begin());
  }

  close(): void {
    this.end(1000);
  }

  /** Ask the server; an answer that is none ends the connection. */
  protected async ask(signal: AbortSignal, query: URLSearchParams, accept: string): Promise<Response> {
    const headers = { accept, ...this.bearer() };
    const answer = await this.requests.fetch(`${this.path}?${query}`, { headers, signal });
    if (answer.ok) return answer;
    this.end(CODES[answer.status] ?? GONE, Number(answer.headers.get("retry-after") ?? 0) * 1000);
    throw new Error(`${answer.status}`);
  }

  protected received(text: string, message: FromServer): void {
    if (message.type === "close") {
      this.end(message.code, message.delay_ms);
      return;
    }
    this.places.note(message);
    try {
      this.handlers.received(text);
    } catch (error) {
      reportError(error); // a listener's fault is not the connection's
    }
    if (!this.places.size) this.round?.abort(); // all are refused: there is nothing to ask for
  }

  private begin(): void {
    this.changed = false;
    this.round?.abort();
    if (this.over || !this.places.size) return;
    const round = new AbortController();
    this.round = round;
    this.follow(round.signal)
      .catch(() => undefined)
      .then(() => round.signal.aborted || this.end(GONE));
  }

  private post(message: Sent): void {
    if (message.type === "ping") return; // a stream is never silent for long, and neither are answers to polls
    const body = JSON.stringify({ ...message, client: this.client });
    const headers = { "content-type": "application/json", ...this.bearer() };
    const sent = this.requests.fetch(`/control/${message.type}`, { method: "POST", body, headers, keepalive: true });
    sent.catch(() => undefined);
  }

  private bearer(): Record<string, string> {
    const token = this.said ?? this.requests.token();
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  private end(code: number, delay?: number): void {
    if (this.over) return;
    this.over = true;
    this.round?.abort();
    this.handlers.closed(code, delay);
  }
}
