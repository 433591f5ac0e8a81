/** Choose the engine for this browser. */
import type { Engine, Listener } from "./engine";

/**
 * hls.js wherever Media Source Extensions exist. The browser's own HLS only where ManagedMediaSource does: other
 * browsers answer "maybe" to canPlayType for a road that is worse (Chromium's has seconds more live delay).
 * Engines are chunks of their own, fetched when the first picture is wanted.
 */
export async function openEngine(video: HTMLVideoElement, listener: Listener): Promise<Engine> {
  const managed = "ManagedMediaSource" in globalThis;
  if (managed && video.canPlayType("application/vnd.apple.mpegurl")) {
    const { NativeEngine } = await import("./native");
    return new NativeEngine(video, listener);
  }
  const { HlsEngine } = await import("./hls");
  return new HlsEngine(video, listener);
}
