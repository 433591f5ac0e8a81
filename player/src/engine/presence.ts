/** What the server has of a stream while it is still being made; the page tells, the engine asks. */

export interface Presence {
  /** Whether a segment can be had without a wait; true where nothing is known. */
  stored(rendition: string, number: number): boolean;
  /** Whether the server is there and still means to make what is missing. */
  readonly alive: boolean;
  /** Whether it is a broadcast that nobody has ended, as far as was told: its server may be away for a moment. */
  readonly onAir: boolean;
}

/** Of a stream that nobody tells of. */
export const everything: Presence = { stored: () => true, alive: false, onAir: false };

/** Name the rendition of a media playlist's address: "…/720p.m3u8" is "720p". */
export function renditionOf(address: string): string {
  return /([^/]+)\.m3u8(?:\?|#|$)/.exec(address)?.[1] ?? "";
}

/** Name the rendition and number of a segment's address, undefined where it is not one of ours. */
export function segmentOf(address: string): readonly [rendition: string, number: number] | undefined {
  const found = /([^/]+)\/(\d+)\.m4s(?:\?|#|$)/.exec(address);
  return found?.[1] === undefined ? undefined : [found[1], Number(found[2])];
}
