/** How elements ask: state comes in as properties, a request goes out as one bubbling event. */

export class RequestEvent<R> extends Event {
  static readonly kind = "streamer-request";

  constructor(readonly request: R) {
    super(RequestEvent.kind, { bubbles: true, composed: true });
  }
}

/** Send a request up to whoever holds the store. */
export function ask<R>(from: EventTarget, request: R): void {
  from.dispatchEvent(new RequestEvent(request));
}
