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

export type FromServer = Subscribed | ControlEvent;

export function isSubscribed(message: FromServer): message is Subscribed {
  return message.type === "subscribed";
}
