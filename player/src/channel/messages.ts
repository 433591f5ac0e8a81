/** Messages of the control channel. */

export interface ControlEvent {
  channel: string;
  epoch: string;
  /** Absent on coalescible kinds, which are neither stored nor replayed. */
  offset?: number;
  type: string;
  time: string | number;
  media_time?: number;
  data: unknown;
}

export interface Subscribed {
  type: "subscribed";
  channel: string;
  epoch: string;
  offset: number;
  recovered: boolean;
  snapshot?: unknown;
}

export interface Subscribe {
  type: "subscribe";
  channel: string;
  epoch?: string;
  offset?: number;
}

/** The channel is not to be had: 4403 not allowed, 4404 not there. */
export interface Refused {
  type: "refused";
  channel: string;
  code: number;
  reason: string;
}

/** The server stops: it wants to be asked again after `delay_ms`, and closes soon. */
export interface Drain {
  type: "server.drain";
  channel?: undefined;
  delay_ms: number;
}

/** The last message over anything but a WebSocket, which has close codes of its own. */
export interface Closing {
  type: "close";
  channel?: undefined;
  code: number;
  reason: string;
  delay_ms?: number;
}

export interface Other {
  type: "unsubscribed" | "pong";
  channel?: string;
}

export type FromServer = Subscribed | Refused | Drain | Closing | Other | ControlEvent;

/** Only events carry their channel's epoch and data. */
export function isEvent(message: FromServer): message is ControlEvent {
  return "data" in message;
}
