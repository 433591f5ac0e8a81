/** What the server says of its work: Runs, queues and workers. */

export type RunState = "queued" | "running" | "done" | "failed";
export type Urgency = "now" | "soon" | "fill";

export interface Run {
  id: string;
  asset: string;
  title: string;
  state: RunState;
  urgency: Urgency;
  rungs: string[];
  first: number;
  last: number;
  worker: string | null;
  attempts: number;
  lost: number;
  created: string;
  started: string | null;
  ended: string | null;
  failure: string | null;
  code: string | null;
}

export interface Queue {
  urgencies: { urgency: Urgency; queued: number; running: number; oldest_seconds: number | null; assets_waiting: number }[];
  segments_left: number;
  assets: { asset: string; segments_left: number; viewers_waiting: number; running: number }[];
}

export interface Worker {
  name: string;
  state: "working" | "draining" | "stopped" | "lost";
  slots: number;
  urgent: number;
  busy: number;
  encoder: string;
  version: string;
  started: string;
  seen: string;
}

/** A list, and the server's time when it was made: ages are counted by one clock. */
export interface Told<T> {
  now: string;
  items: T[];
}
