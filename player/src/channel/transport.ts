/** The seam under the control channel, and its WebSocket side. */

export interface Handlers {
  /** Messages may be sent; where it comes again, nothing that was asked before holds any more. */
  opened(): void;
  received(text: string): void;
  /**
   * `code` is a WebSocket's close code; 4400–4499 mean go away. `delay` are the milliseconds after which the server
   * wants to be asked again.
   */
  closed(code: number, delay?: number): void;
}

export interface Connection {
  send(text: string): void;
  close(): void;
}

export interface Transport {
  /** Connect. No handler is called before this has returned. */
  open(handlers: Handlers): Connection;
}

export class SocketTransport implements Transport {
  constructor(private readonly path = "/control") {}

  open(handlers: Handlers): Connection {
    const address = new URL(this.path, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.onopen = () => handlers.opened();
    socket.onmessage = (message) => handlers.received(String(message.data));
    socket.onclose = (event) => handlers.closed(event.code);
    return { send: (text) => socket.send(text), close: () => socket.close(1000) };
  }
}
