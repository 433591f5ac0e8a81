/** Entry of the watch page. */
import "../styles/base.css";
import "../elements/watch-page";
import type { PlaybackState } from "../store/playback";
import type { WatchPage } from "../elements/watch-page";

declare global {
  interface Window {
    /** What the page's player does now, for tests and for the curious. */
    streamer: { state(): Readonly<PlaybackState> | undefined; readonly video: HTMLVideoElement | undefined };
  }
}

const player = (): WatchPage["player"] => document.querySelector<WatchPage>("watch-page")?.player ?? null;

window.streamer = {
  state: () => player()?.snapshot(),
  get video() {
    return player()?.video;
  },
};
