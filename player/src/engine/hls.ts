/** HLS over hls.js. */
import Hls, { type ErrorData, type Fragment, type HlsConfig, type MediaPlaylist } from "hls.js";
import { guided } from "./abr";
import { type Address, type Engine, type Listener, type LiveWindow, nothing, type Tier, type Track } from "./engine";
import { LIVE, windowOf } from "./edge";
import { KEEPING } from "./keeping";
import { ofPlaylists, ofSegments } from "./patience";
import { prefer } from "./prefer";
import { markersIn, secondOf } from "./dated";
import { type Presence, renditionOf } from "./presence";
import { Recovery } from "./recovery";
import { deviceChannels, groupFor } from "./sound";
import { gone, refused, trouble } from "./trouble";

const CONFIG: Partial<HlsConfig> = {
  enableWorker: false, // fragments are CMAF already: there is nothing to transmux
  capLevelToPlayerSize: false,
  startFragPrefetch: true,
  maxBufferLength: 30,
  maxBufferSize: 0, // else ten minutes of the lowest rung are fetched, and then shown on the best of lines
  backBufferLength: 60,
  abrEwmaDefaultEstimate: 2_000_000,
  ...LIVE,
  ...KEEPING,
};

const RECOVERIES = 2;
/** Low pictures are dropped for better ones where at least this much of them lies ahead, and not more often. */
const CLIMB_AHEAD_S = 12;
const CLIMB_EVERY_MS = 20_000;
/** The line must carry the better rung this many times over. */
const CLIMB_SPARE = 1.5;
/** Borders of pictures and what a buffer says of them differ by less. */
const BORDER_S = 0.1;
/** A trouble this long after the last one is a new one. */
const CALM_MS = 30_000;

export class HlsEngine implements Engine {
  readonly name = "hls.js";
  readonly tiers: readonly Tier[] = ["normal", "low", "push"];
  private hls: Hls | undefined;
  private recoveries = 0;
  private lastTrouble = 0;
  private lastClimb = 0;
  private loading = 0;
  private start = 0;
  private measured = false;
  private readonly held = new Set<string>();
  private readonly recovery = new Recovery();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: Listener,
    private readonly presence: Presence,
    private tier: Tier,
    private readonly address: Address,
  ) {}

  load(source: string, start: number, bandwidth: number): void {
    this.hls?.destroy();
    this.start = start;
    this.measured = bandwidth > 0;
    if (!Hls.isSupported()) {
      this.listener.failed({ kind: "unsupported", message: "This browser cannot play streamed video.", detail: "" });
      return;
    }
    const hls = new Hls({
      ...CONFIG,
      startPosition: start || -1, // which is the start, or the live edge
      lowLatencyMode: this.tier === "low",
      xhrSetup: (xhr, url) => xhr.open("GET", this.address(url)),
      fragLoadPolicy: ofSegments(this.presence),
      playlistLoadPolicy: ofPlaylists(this.presence),
      abrController: guided({
        presence: this.presence,
        choose: (each, wanted, measured) => this.choose(each, wanted, measured || this.measured),
        holding: (type, held) => this.holding(type, held),
      }),
      ...(this.measured ? { abrEwmaDefaultEstimate: bandwidth } : {}),
    });
    hls.subtitleDisplay = false; // cues are drawn above the controls, by us
    this.hls = hls;
    this.listener.changed(nothing);
    hls.on(Hls.Events.MANIFEST_PARSED, (_, { audioTracks }) => keepOneGroup(hls, audioTracks));
    for (const event of [
      Hls.Events.MANIFEST_PARSED,
      Hls.Events.LEVEL_SWITCHED,
      Hls.Events.LEVELS_UPDATED,
      Hls.Events.FRAG_BUFFERED,
      Hls.Events.AUDIO_TRACKS_UPDATED,
      Hls.Events.AUDIO_TRACK_SWITCHED,
      Hls.Events.SUBTITLE_TRACKS_UPDATED,
      Hls.Events.SUBTITLE_TRACK_SWITCH,
    ] as const) {
      hls.on(event, () => this.tell());
    }
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => this.listener.marked(markersIn(details.dateRanges)));
    hls.on(Hls.Events.LEVEL_SWITCHING, (_, { level }) => this.climb(hls, level));
    hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => this.weigh(hls, frag));
    hls.on(Hls.Events.ERROR, (_, data) => this.failed(data));
    hls.loadSource(source);
    hls.attachMedia(this.video);
  }

  setLevel(index: number): void {
    const { hls } = this;
    if (!hls) return;
    // nextLevel drops what lies ahead but keeps the picture going, so a choice is seen within a segment. Where the
    // rung is still being made there, what lies ahead is played while it is.
    if (index < 0 || this.storedAhead(hls, index)) hls.nextLevel = index;
    else hls.loadLevel = index;
    this.tell();
  }

  setAudio(index: number): void {
    if (this.hls) this.hls.audioTrack = index;
  }

  setText(index: number): void {
    if (!this.hls) return;
    this.hls.subtitleTrack = index;
    this.tell();
  }

  setTier(tier: Tier): void {
    this.tier = tier;
    if (this.hls) this.hls.lowLatencyMode = tier === "low";
  }

  live(): LiveWindow | null {
    return this.hls ? windowOf(this.hls, this.video.currentTime) : null;
  }

  timeOf(date: number): number {
    return this.hls ? secondOf(grid(this.hls).segments, date) : Number.NaN;
  }

  destroy(): void {
    this.hls?.destroy();
    this.hls = undefined;
  }

  private weigh(hls: Hls, { type, stats }: Fragment): void {
    if (type !== "main") return;
    const { start, end } = stats.loading;
    const estimate = this.recovery.heard(stats.loaded * 8, end - start, hls.bandwidthEstimate);
    if (estimate) hls.bandwidthEstimate = estimate;
  }

  /** Return the rung to fetch next, given the one that suits the line. */
  private choose(hls: Hls, wanted: number, measured: boolean): number {
    const info = hls.hasEnoughToStart ? hls.mainForwardBufferInfo : null;
    const time = hls.hasEnoughToStart ? this.video.currentTime : Math.max(this.start, this.video.currentTime);
    const ahead = info?.len ?? 0;
    const { first, segments } = grid(hls);
    const next = first + numberAt(segments, ahead > 0 ? (info?.end ?? time) : time);
    return prefer(
      {
        bitrates: hls.levels.map(({ bitrate }) => bitrate),
        wanted,
        loading: hls.hasEnoughToStart ? hls.loadLevel : -1,
        next,
        count: segments.length ? first + segments.length : Infinity,
        ahead,
        bandwidth: hls.bandwidthEstimate || CONFIG.abrEwmaDefaultEstimate || 0,
        measured,
      },
      (rung, number) => this.stored(hls, rung, number),
    );
  }

  private stored(hls: Hls, rung: number, number: number): boolean {
    const name = renditionOf(hls.levels[rung]?.uri ?? "");
    return !name || this.presence.stored(name, number);
  }

  /** Whether a rung has every segment from behind the one on screen to the end of what is buffered. */
  private storedAhead(hls: Hls, rung: number): boolean {
    const { first, segments } = grid(hls);
    const { currentTime } = this.video;
    const last = numberAt(segments, hls.mainForwardBufferInfo?.end ?? currentTime);
    for (let at = numberAt(segments, currentTime) + 1; at <= last; at += 1) {
      if (at < segments.length && !this.stored(hls, rung, first + at)) return false;
    }
    return true;
  }

  private holding(type: string, held: boolean): void {
    if (held) this.held.add(type);
    else this.held.delete(type);
    this.listener.changed({ preparing: this.held.size > 0 });
  }

  /** Show the better rung soon: hls.js alone plays out what it has buffered of the lower one first. */
  private climb(hls: Hls, level: number): void {
    const { currentTime } = this.video;
    const better = level > this.loading && hls.autoLevelEnabled;
    this.loading = level;
    const ahead = (hls.mainForwardBufferInfo?.end ?? 0) - currentTime;
    const now = performance.now();
    if (!better || ahead < CLIMB_AHEAD_S || now - this.lastClimb < CLIMB_EVERY_MS) return;
    if (hls.bandwidthEstimate < CLIMB_SPARE * (hls.levels[level]?.bitrate ?? Infinity)) return;
    if (!this.storedAhead(hls, level)) return;
    this.lastClimb = now;
    hls.nextLevel = -1; // the choice stays automatic; what lies behind the next segment goes
  }

  private tell(): void {
    const hls = this.hls;
    if (!hls) return;
    const tracks = (list: MediaPlaylist[]): Track[] => list.map(({ name, lang }) => ({ label: name, language: lang ?? "" }));
    this.listener.changed({
      levels: hls.levels.map(({ width, height, bitrate, frameRate, audioGroups }) => {
        return { width, height, bitrate, frameRate, audio: audioGroups?.[0] ?? "" };
      }),
      level: hls.autoLevelEnabled ? -1 : hls.manualLevel,
      shown: hls.currentLevel,
      bandwidth: hls.bandwidthEstimate || 0,
      audioTracks: tracks(hls.audioTracks),
      audioTrack: hls.audioTrack,
      textTracks: tracks(hls.subtitleTracks),
      textTrack: hls.subtitleTrack,
    });
  }

  private failed(data: ErrorData): void {
    const hls = this.hls;
    if (!hls) return;
    // Of a live stream what is gone is only old: hls.js goes on behind it.
    if (!data.fatal && (refused(data) || (this.presence.alive && gone(data) && !this.live()))) {
      hls.stopLoad(); // else it asks for the same again and again
      this.listener.failed(trouble(data));
      return;
    }
    if (!data.fatal) return;
    const now = performance.now();
    if (now - this.lastTrouble > CALM_MS) this.recoveries = 0;
    this.lastTrouble = now;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.recoveries < RECOVERIES) {
      this.recoveries += 1;
      hls.recoverMediaError();
      return;
    }
    this.listener.failed(trouble(data));
  }
}

/** Return the segments of any rung whose playlist is known (all have the same borders), and the first one's number. */
function grid(hls: Hls): { first: number; segments: readonly Fragment[] } {
  const details = hls.latestLevelDetails ?? hls.levels.find((level) => level.details)?.details;
  return { first: details?.startSN ?? 0, segments: details?.fragments ?? [] };
}

/** Return the index of the segment that holds `time`, 0 where nothing is known. */
function numberAt(segments: readonly Fragment[], time: number): number {
  // A buffer ends a little before or behind a border, which is where the next segment begins all the same.
  const at = segments.findLastIndex(({ start }) => start <= time + BORDER_S);
  return Math.max(0, at);
}

/**
 * Leave each rung once, with the sound that suits the device. Among several groups hls.js chooses by bit rate as if
 * they were rungs, and throws away fetched audio at every change.
 */
function keepOneGroup(hls: Hls, tracks: MediaPlaylist[]): void {
  const group = groupFor(tracks, deviceChannels);
  if (!group || !hls.levels.some(({ audioGroups }) => audioGroups?.includes(group))) return;
  for (let index = hls.levels.length - 1; index >= 0; index -= 1) {
    const groups = hls.levels[index]?.audioGroups;
    if (groups?.length && !groups.includes(group)) hls.removeLevel(index);
  }
}
