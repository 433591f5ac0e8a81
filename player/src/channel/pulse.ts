/** Find out that the other end is gone, which a silent connection does not tell. */
import { type Timer, wallTimer } from "./timer";
import type { Connection, Handlers, Transport } from "./transport";

/** After so long a silence the server is asked for a sign of life, and so long it may take. */
const QUIET_MS = 25_000;
const ANSWER_MS = 10_000;
const PING = '{"type":"ping"}';

export class Pulse implements Transport {
  constructor(
    private readonly transport: Transport,
    private readonly timer: Timer = wallTimer,
  ) {}

  open(handlers: Handlers): Connection {
    let forget = (): void => undefined;
    const connection = this.transport.open({
      opened: () => handlers.opened(),
      received: (text) => {
        forget();
        forget = this.timer.after(QUIET_MS, () => {
          connection.send(PING);
          forget = this.timer.after(ANSWER_MS, () => connection.close());
        });
        handlers.received(text);
      },
      closed: (code, delay) => {
        forget();
        handlers.closed(code, delay);
      },
    });
    return connection;
  }
}
