/** The control channel as one request after another, each of which waits for something to tell. */
import { Asking, type Requests, sessionRequests } from "./asking";
import type { FromServer } from "./messages";
import { type Timer, wallTimer } from "./timer";
import type { Connection, Handlers, Transport } from "./transport";

interface Answer {
  cursor: string;
  messages: readonly FromServer[];
}

/** Between answers that have nothing to tell, which may come out of a cache at once. */
const PAUSE_MS = 500;
const ALIVE = { type: "pong" } as const;

export class PollTransport implements Transport {
  constructor(
    private readonly path = "/control/poll",
    private readonly requests: Requests = sessionRequests,
    private readonly timer: Timer = wallTimer,
  ) {}

  open(handlers: Handlers): Connection {
    return new PollConnection(this.path, handlers, this.requests, this.timer);
  }
}

class PollConnection extends Asking {
  constructor(
    path: string,
    handlers: Handlers,
    requests: Requests,
    private readonly timer: Timer,
  ) {
    super(path, handlers, requests);
  }

  protected override async follow(signal: AbortSignal): Promise<void> {
    for (let cursor = ""; !signal.aborted; ) {
      const query = this.places.query();
      if (cursor) query.set("cursor", cursor);
      const answer = (await (await this.ask(signal, query, "application/json")).json()) as Answer;
      const begun = cursor ? [] : this.places.continued(answer.messages);
      cursor = answer.cursor;
      for (const message of [...begun, ...(answer.messages.length ? answer.messages : [ALIVE])]) {
        if (signal.aborted) return;
        this.received(JSON.stringify(message), message);
      }
      if (!answer.messages.length) await new Promise<void>((done) => this.timer.after(PAUSE_MS, done));
    }
  }
}
