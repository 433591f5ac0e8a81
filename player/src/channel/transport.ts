/** The seam under the control channel, and its WebSocket side. */

export interface Handlers {
  opened(): void;
  received(text: string): void;
  /** `code` is the WebSocket's close code; 4400–4499 mean go away. */
  closed(code: number): void;
}

export interface Connection {
  send(text: string): void;
  close(): void;
}

export interface Transport {
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
