/** Messages of the control channel. */
import type { Said, Told } from "./events";

/** What stands around the data of each event. */
interface Envelope {
  channel: string;
  epoch: string;
  /** Absent on coalescible kinds, which are neither stored nor replayed. */
  offset?: number;
  time: string;
  media_time?: number;
}

export type ControlEvent = Envelope & Told;

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

/** The last message over anything but a WebSocket, which has close codes of its own. */
export interface Closing {
  type: "close";
  code: number;
  reason: string;
  delay_ms?: number;
}

export interface Other {
  type: "authenticated" | "unsubscribed" | "pong";
  channel?: string;
}

export type FromServer = Subscribed | Refused | Closing | Other | Said | ControlEvent;

/** Return the channel that a message belongs to, undefined where it concerns the connection. */
export function channelOf(message: FromServer): string | undefined {
  return "channel" in message ? message.channel : undefined;
}

/** Only events carry their channel's epoch and data. */
export function isEvent(message: FromServer): message is ControlEvent {
  return "data" in message;
}
