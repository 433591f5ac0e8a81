/** The control channel as one long answer of server-sent events, read by fetch so that a token may go in a header. */
import { Asking, type Requests, sessionRequests } from "./asking";
import { Lines } from "./lines";
import type { FromServer } from "./messages";
import type { Connection, Handlers, Transport } from "./transport";

const ALIVE = '{"type":"pong"}';

export class StreamTransport implements Transport {
  constructor(
    private readonly path = "/control/sse",
    private readonly requests: Requests = sessionRequests,
  ) {}

  open(handlers: Handlers): Connection {
    return new StreamConnection(this.path, handlers, this.requests);
  }
}

class StreamConnection extends Asking {
  protected override async follow(signal: AbortSignal): Promise<void> {
    const answer = await this.ask(signal, this.places.query(), "text/event-stream");
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    const lines = new Lines();
    for (;;) {
      const { done = true, value = "" } = (await reader?.read()) ?? {};
      if (done) return;
      const events = lines.push(value);
      // Lines without an event are there to show that the server is.
      for (const text of events.length ? events : [ALIVE]) {
        if (signal.aborted) return;
        this.received(text, JSON.parse(text) as FromServer);
      }
    }
  }
}
