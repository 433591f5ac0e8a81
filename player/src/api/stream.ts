/** What the server says of a live stream. */
import type { StreamState } from "./asset";

export interface Stream {
  id: string;
  title: string;
  state: StreamState;
  created: string;
  /** The broadcast on air or the last one, null before there was any. */
  asset: string | null;
  playback: { hls: string; dash: string };
  page: string;
  /** Where publishers send to, by protocol. */
  ingest?: Record<string, string>;
  /** Why the broadcast's pictures are encoded although the stream asks for them as they are, once that is told. */
  refusal?: string | undefined;
}

/** A stream with its key, which is told once. */
export interface Keyed extends Stream {
  key: string | null;
}

export interface StreamPage {
  items: Stream[];
  next: string | null;
}

/** Say whether a broadcast has begun that has not ended. */
export function broadcasting({ state }: Pick<Stream, "state">): boolean {
  return state !== "idle" && state !== "ended";
}
