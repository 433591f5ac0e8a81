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

export interface Other {
  type: "unsubscribed" | "pong";
  channel?: string;
}

export type FromServer = Subscribed | Refused | Other | ControlEvent;

/** Only events carry their channel's epoch and data. */
export function isEvent(message: FromServer): message is ControlEvent {
  return "data" in message;
}
