/** What the media element tells, written into the player's state. */
import type { Airing } from "./airing";
import type { Cues } from "./cues";
import type { Memory } from "./memory";
import type { PlaybackState } from "./playback";
import { ahead, spansOf } from "./spans";

export interface Desk {
  store: { getState(): Readonly<PlaybackState>; set(patch: Partial<PlaybackState>): void };
  airing: Airing;
  cues: Cues;
  memory: Memory;
  signal: AbortSignal;
}

/** Follow the element's events until the signal ends it. */
export function watch(video: HTMLVideoElement, { store, airing, cues, memory, signal }: Desk): void {
  const on = (names: string, read: () => Partial<PlaybackState>): void => {
    for (const name of names.split(" ")) video.addEventListener(name, () => store.set(read()), { signal });
  };
  on("play pause ended playing", () => ({ paused: video.paused, ended: video.ended }));
  on("playing canplay", () => ({ waiting: false, started: store.getState().started || !video.paused }));
  on("waiting", () => ({ waiting: !video.paused || store.getState().seeking }));
  on("seeking", () => ({ seeking: true, time: video.currentTime, ended: false }));
  on("seeked", () => ({ seeking: false, time: video.currentTime }));
  on("durationchange loadedmetadata", () => ({ duration: video.duration }));
  on("ratechange", () => ({ rate: airing.rate }));
  on("timeupdate progress seeked", () => progress(video));
  video.addEventListener("pause", () => airing.leave(), { signal });
  video.addEventListener("waiting", () => airing.stalled(), { signal });
  on("enterpictureinpicture leavepictureinpicture", () => {
    queueMicrotask(() => cues.follow());
    return { pictureInPicture: document.pictureInPictureElement === video };
  });
  on("volumechange", () => {
    const hushed = store.getState().hushed && video.muted;
    if (!hushed) memory.keepSound({ volume: video.volume, muted: video.muted });
    return { volume: video.volume, muted: video.muted, hushed };
  });
  for (const name of ["change", "addtrack", "removetrack"]) {
    video.textTracks.addEventListener(name, () => cues.follow(), { signal });
  }
  const full = (): void => store.set({ fullscreen: document.fullscreenElement !== null });
  document.addEventListener("fullscreenchange", full, { signal });
}

function progress(video: HTMLVideoElement): Partial<PlaybackState> {
  const buffered = spansOf(video.buffered);
  const quality = video.getVideoPlaybackQuality();
  const time = video.currentTime;
  return {
    time,
    buffered,
    ahead: ahead(buffered, time),
    frames: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames,
  };
}
