/** Choose the engine for this browser. */
import type { Address, Engine, Listener, Tier } from "./engine";
import type { Presence } from "./presence";

/**
 * hls.js wherever Media Source Extensions exist. The browser's own HLS only where ManagedMediaSource does: other
 * browsers answer "maybe" to canPlayType for a road that is worse (Chromium's has seconds more live delay).
 * Engines are chunks of their own, fetched when the first picture is wanted.
 */
export async function openEngine(
  video: HTMLVideoElement,
  listener: Listener,
  presence: Presence,
  tier: Tier,
  address: Address,
): Promise<Engine> {
  if (native(video)) {
    const { NativeEngine } = await import("./native");
    return new NativeEngine(video, listener, address);
  }
  if (tier === "push") {
    const { PushEngine } = await import("./push");
    return new PushEngine(video, listener, address);
  }
  const { HlsEngine } = await import("./hls");
  return new HlsEngine(video, listener, presence, tier, address);
}

/** Fetch the engine's chunk while there is nothing to play yet. */
export function warmUp(): void {
  if (!native(document.createElement("video"))) void import("./hls").catch(() => undefined);
}

function native(video: HTMLVideoElement): boolean {
  return "ManagedMediaSource" in globalThis && video.canPlayType("application/vnd.apple.mpegurl") !== "";
}
