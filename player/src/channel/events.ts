/** Every type of event and its data. Do not change this: `python -m streamer.vocabulary` writes it. */
import type { Asset, StreamState } from "../api/asset";
import type { Stream } from "../api/stream";

/** A rendition of the picture. */
export interface Picture {
  /** the rendition's name */
  name: string;
  /** pixels */
  width: number;
  /** pixels */
  height: number;
}

/** An asset is gone for everybody, and its own channel with it. */
export interface AssetDeleted {
  /** the asset */
  id: string;
}

/** How much of an asset is stored; at most twice a second. `asset.complete` tells the end. */
export interface AssetProgress {
  /** the asset */
  id: string;
  /** the output that is being made */
  generation: string;
  /** segments of all renditions that are there */
  done: number;
  /** segments that there will be, as far as is known */
  total: number;
}

/** How much of an upload is kept; at most twice a second. */
export interface UploadProgress {
  /** the asset */
  id: string;
  /** bytes */
  received: number;
  /** bytes of the whole, null while unknown */
  size: number | null;
  /** seconds from the start that can be played now */
  seekable: number | null;
}

/** A segment has been made and is kept. */
export interface SegmentStored {
  /** the output that it is a part of */
  generation: string;
  /** the rendition's name */
  rendition: string;
  /** its number, from 0 on */
  number: number;
  /** bytes */
  size: number;
}

/** A segment has made way for others; it is made again when somebody asks for it. */
export interface SegmentEvicted {
  /** the output that it was a part of */
  generation: string;
  /** the rendition's name */
  rendition: string;
  /** its number, from 0 on */
  number: number;
}

/** An encode of consecutive segments has begun. */
export interface RunStarted {
  /** the Run */
  run: string;
  /** the renditions that it makes */
  rungs: string[];
  /** its first segment */
  first: number;
  /** its last segment, included */
  last: number;
}

/** An encode has ended, one way or another. */
export interface RunEnded {
  /** the Run */
  run: string;
  /** `done`, `failed`, or `queued` where it will be tried again */
  state: string;
  /** why it has failed, else empty */
  failure: string;
}

/** How far an encode is. */
export interface RunProgress {
  /** the Run */
  run: string;
  /** frames that are encoded */
  frames: number;
  /** frames that it has in all */
  total: number;
  /** frames a second */
  rate: number;
}

/** An asset is to be published to a destination, on air or complete, or withdrawn from it. */
export interface PublishStarted {
  /** the asset */
  id: string;
  /** the destination's name */
  destination: string;
  /** `live`, `publishing` or `withdrawing` */
  state: string;
}

/** An asset is at a destination as it is here, or nothing of it is left there. */
export interface PublishDone {
  /** the asset */
  id: string;
  /** the destination's name */
  destination: string;
  /** `published` or `withdrawn` */
  state: string;
  /** objects that are there */
  objects: number;
  /** their bytes */
  bytes: number;
  /** objects that were not there before */
  uploaded: number;
}

/** An asset could not be published or withdrawn; the API says more. */
export interface PublishFailed {
  /** the asset */
  id: string;
  /** the destination's name */
  destination: string;
  /** the cause, such as `no-such-bucket` */
  code: string;
}

/** A broadcast that is published on air is late at a destination, whose storage is slow or away. */
export interface PublishDelayed {
  /** the asset */
  id: string;
  /** the destination's name */
  destination: string;
  /** the cause, such as `endpoint-away`; `slow` where it only is slow */
  code: string;
}

/** A broadcast that was late at a destination is there again as far as it has come. */
export interface PublishRecovered {
  /** the asset */
  id: string;
  /** the destination's name */
  destination: string;
}

/** The CDN of a destination could not be told to forget what has changed there: it lapses by itself. */
export interface PurgeFailed {
  /** the asset */
  id: string;
  /** the destination's name */
  destination: string;
}

/** How far publishing is; at most twice a second. */
export interface PublishProgress {
  /** the asset */
  id: string;
  /** the destination's name */
  destination: string;
  /** `making` segments that are missing, `uploading` or `deleting` objects */
  step: string;
  /** segments or objects that are done */
  done: number;
  /** segments or objects in all */
  total: number;
}

/** A stream stands elsewhere than before. */
export interface StreamStateChanged {
  /** the stream */
  stream: string;
  /** the broadcast */
  asset: string;
  /** where it stands */
  state: StreamState;
}

/** How the signal of a publisher is, every two seconds while something comes. */
export interface StreamHealth {
  /** the stream */
  stream: string;
  /** the broadcast */
  asset: string;
  /** bits a second that come in, sound and picture together */
  bitrate: number;
  /** pictures a second that come in */
  frame_rate: number;
  /** from one keyframe to the next, null until there were two */
  keyframe_seconds: number | null;
}

/** A stream is gone for everybody, and its channel with it; its recordings stay. */
export interface StreamDeleted {
  /** the stream */
  id: string;
}

/** A broadcast has other pictures from now on, usually because they could not all be encoded in time. */
export interface LadderChanged {
  /** the stream */
  stream: string;
  /** the broadcast */
  asset: string;
  /** the pictures until now, from the top down */
  before: Picture[];
  /** the pictures from now on, from the top down */
  after: Picture[];
}

/** A broadcast's pictures are encoded although its stream asks for `passthrough`. */
export interface PassthroughRefused {
  /** the stream */
  stream: string;
  /** the broadcast */
  asset: string;
  /** what stands against it */
  reason: string;
}

/** How many watch. */
export interface Viewers {
  /** viewers */
  count: number;
}

/** Something is to be told at `media_time` of the picture; playlists have it under the same id. */
export interface Marker {
  /** the video or the broadcast */
  asset: string;
  /** the marker */
  id: string;
  /** what it is, in a word of its author's */
  kind: string;
  /** its moment by the dates of the playlists */
  date: string;
  /** its moment in seconds from the first picture */
  time: number;
  /** seconds that it lasts, null where that is not known */
  duration: number | null;
  /** what its author has said of it */
  data: unknown;
  /** an SCTE-35 message in hexadecimal */
  scte35: string | null;
  /** what that is: out, in or cmd */
  splice: string | null;
  /** segments tell of it too */
  inband: boolean;
  /** when it was made */
  created: string;
}

/** A marker is not told any more, other than by segments that do so already. */
export interface MarkerDeleted {
  /** the video or the broadcast */
  asset: string;
  /** the marker */
  id: string;
}

/** A sentence for everybody who watches. */
export interface Announcement {
  /** what is to be shown, as plain text */
  text: string;
  /** how it is meant */
  level?: "info" | "warning";
  /** how long it is to be shown; null until the viewer takes it away */
  seconds?: number | null;
}

/** Something else is to be played at `media_time`. For players of one's own: this server's goes on. */
export interface Interstitial {
  /** its name, the same when it is told again */
  id: string;
  /** the playlist of what is to be played */
  url: string;
  /** how long it is; null where that is not known */
  seconds?: number | null;
  /** how far behind its beginning the picture goes on */
  resume_seconds?: number;
}

/** How far behind the live edge to play: the player takes its nearest tier unless its viewer chose one. */
export interface LatencyTarget {
  /** the delay; who cannot keep it takes the least that it can */
  seconds: number;
}

/** The token or session of this connection ends soon, and the connection with it. */
export interface TokenExpiring {
  type: "token.expiring";
  /** how long it still holds */
  seconds: number;
}

/** The server is about to stop: come back after a while, to it or to another one. */
export interface ServerDrain {
  type: "server.drain";
  /** how long to wait before coming back, in milliseconds */
  delay_ms: number;
}

/** The data of an event by its type. */
export interface Events {
  /** There is a new asset. */
  "asset.created": Asset;
  /** Something of an asset is other than before: its title, its state, its plan, its captions. */
  "asset.changed": Asset;
  /** An asset can be watched from now on. `asset.changed` goes before it. */
  "asset.playable": Asset;
  /** All of an asset is there; of a broadcast it is the recording. `asset.changed` goes before it. */
  "asset.complete": Asset;
  /** An asset cannot be made; its `failure` says why. `asset.changed` goes before it. */
  "asset.failed": Asset;
  /** An asset is gone for everybody, and its own channel with it. */
  "asset.deleted": AssetDeleted;
  /** How much of an asset is stored; at most twice a second. `asset.complete` tells the end. */
  "asset.progress": AssetProgress;
  /** How much of an upload is kept; at most twice a second. */
  "upload.progress": UploadProgress;
  /** A segment has been made and is kept. */
  "segment.stored": SegmentStored;
  /** A segment has made way for others; it is made again when somebody asks for it. */
  "segment.evicted": SegmentEvicted;
  /** An encode of consecutive segments has begun. */
  "run.started": RunStarted;
  /** An encode has ended, one way or another. */
  "run.ended": RunEnded;
  /** How far an encode is. */
  "run.progress": RunProgress;
  /** An asset is to be published to a destination, on air or complete, or withdrawn from it. */
  "publish.started": PublishStarted;
  /** An asset is at a destination as it is here, or nothing of it is left there. */
  "publish.done": PublishDone;
  /** An asset could not be published or withdrawn; the API says more. */
  "publish.failed": PublishFailed;
  /** A broadcast that is published on air is late at a destination, whose storage is slow or away. */
  "publish.delayed": PublishDelayed;
  /** A broadcast that was late at a destination is there again as far as it has come. */
  "publish.recovered": PublishRecovered;
  /** The CDN of a destination could not be told to forget what has changed there: it lapses by itself. */
  "purge.failed": PurgeFailed;
  /** How far publishing is; at most twice a second. */
  "publish.progress": PublishProgress;
  /** A stream stands elsewhere than before. */
  "stream.state": StreamStateChanged;
  /** How the signal of a publisher is, every two seconds while something comes. */
  "stream.health": StreamHealth;
  /** A stream has another title, other settings or another key. */
  "stream.changed": Stream;
  /** A stream is gone for everybody, and its channel with it; its recordings stay. */
  "stream.deleted": StreamDeleted;
  /** A broadcast has other pictures from now on, usually because they could not all be encoded in time. */
  "ladder.changed": LadderChanged;
  /** A broadcast's pictures are encoded although its stream asks for `passthrough`. */
  "passthrough.refused": PassthroughRefused;
  /** How many watch. */
  "viewers": Viewers;
  /** Something is to be told at `media_time` of the picture; playlists have it under the same id. */
  "marker": Marker;
  /** A marker is not told any more, other than by segments that do so already. */
  "marker.deleted": MarkerDeleted;
  /** A sentence for everybody who watches. */
  "announcement": Announcement;
  /** Something else is to be played at `media_time`. For players of one's own: this server's goes on. */
  "interstitial": Interstitial;
  /** How far behind the live edge to play: the player takes its nearest tier unless its viewer chose one. */
  "latency.target": LatencyTarget;
  /** Whatever an application wants to tell: any type that begins with `custom.`, any JSON. */
  [custom: `custom.${string}`]: unknown;
}

/** An event, told by its type. */
export type Told = { [T in keyof Events]: { type: T; data: Events[T] } }[keyof Events];

/** A message that belongs to no channel. */
export type Said = TokenExpiring | ServerDrain;
